"""The device line: what the engine's Python would compute on, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .engine import Engine
from .query import EngineQuery
from .runner import Runner, SubprocessRunner


def devices_query(engine: Engine, runner: Callable[..., Runner] = SubprocessRunner) -> EngineQuery:
    """Ask the engine; give the answer to `device_line`."""
    return EngineQuery(engine, engine.command("devices", "--json"), runner)


def device_line(facts: Mapping[str, Any]) -> str:
    """One line for a person: `GPU NVIDIA A100, 38.2 of 39.6 GB free, torch 2.9.0 (CUDA 12.8)`."""
    torch = f"torch {facts.get('torch', '?')}"
    if facts.get("cuda_build"):
        torch += f" (CUDA {facts['cuda_build']})"
    if facts.get("gpu"):
        free, total = (float(facts.get(name) or 0) / 1e9 for name in ("gpu_free_bytes", "gpu_total_bytes"))
        return f"GPU {facts['gpu']}, {free:.1f} of {total:.1f} GB free, {torch}"
    threads = facts.get("cpu_threads", "?")
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}, {torch}: {facts.get('reason') or 'no reason given'}"
