"""Fair timing: candidates take turns, medians count."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

# A call that takes longer than this (seconds) is not repeated.
SLOW = 5.0


@dataclass(frozen=True)
class Timing:
    """Median seconds of one call, and how many calls it is the median of. The first call is a rehearsal."""

    seconds: float
    runs: int


def clock(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, kernels still under way on the GPU included."""
    _wait(device)
    started = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - started


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, device: torch.device, slow: float = SLOW
) -> dict[str, Timing]:
    """Median time of every call, all calls in turn so that a disturbance of the machine meets them alike.

    A call whose rehearsal took longer than `slow` seconds is not repeated: its rehearsal counts.
    """
    rehearsal = {name: clock(call, device) for name, call in calls.items()}
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            if rehearsal[name] <= slow:
                measured[name].append(clock(call, device))
    return {
        name: Timing(statistics.median(times), len(times)) if times else Timing(rehearsal[name], 1)
        for name, times in measured.items()
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
