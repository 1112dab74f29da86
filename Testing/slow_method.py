"""A small iterative, resumable, slow method for tests, and a driver that runs jobs with it and with injected hangs.

    python slow_method.py [--hang PLACE] worker|cli ARGUMENTS...

PLACE is read, step, network or write: there the process stays for a minute, in the middle of its work.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from ctdiffusion.core.schema import parameter
from ctdiffusion.jobs import reconstruction
from ctdiffusion.jobs import run as jobrun
from ctdiffusion.jobs.stopping import leave
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import Method, register
from torch import Tensor

HANG_S = 60.0


@dataclass(frozen=True)
class SlowParameters:
    """Parameters of the slow method."""

    steps: int = parameter(6, "Number of steps.", low=1, high=10_000)
    pause: float = parameter(0.0, "Pause in every step.", unit="s", low=0.0, high=60.0)
    size: float | None = parameter(None, "Step length; automatic where it is not given.", low=0.0, high=2.0)
    nan_step: int = parameter(-1, "Step at which the state turns into NaN; -1 for none.", low=-1, high=10_000)
    blur: bool = parameter(False, "Average neighbouring slices.")


def reconstruct(problem: Problem, parameters: SlowParameters) -> Tensor:
    """Noisy Landweber steps."""
    y = problem.projections.data
    length = (parameters.size or 1.0) / problem.operator.norm() ** 2
    state = problem.monitor.saved_state()
    first, x = (state[0], state[1]["x"]) if state else (0, problem.operator.fbp(y))
    problem.monitor.step("slow", first, parameters.steps)
    for step in range(first, parameters.steps):
        with problem.monitor.timed("network"):
            if HANG[0] == "network":
                _hang()
            time.sleep(parameters.pause)
            x = x + 1e-4 * problem.noise.normal(step, tuple(x.shape))
        with problem.monitor.timed("projector"):
            x = x + length * problem.operator.adjoint(y - problem.operator.forward(x))
        if parameters.blur:
            x = (x + x.roll(1, 0)) / 2
        if step == parameters.nan_step:
            x = x * torch.nan
        if HANG[0] == "step" and step == 3:
            _hang()
        problem.monitor.save_state(step + 1, {"x": x})
        problem.monitor.step("slow", step + 1, parameters.steps, x)
    return x


SLOW = register(
    Method("slow", "Slow test method", "Noisy Landweber iteration for tests.", "none", SlowParameters, reconstruct)
)
HANG = [""]


def _hang() -> None:
    # One long call, during which no Python signal handler runs in this thread.
    time.sleep(HANG_S)


def _hang_in(name: str) -> None:
    owner = reconstruction if name == "read_volume" else jobrun
    original = getattr(owner, name)

    def hanging(*arguments: object) -> object:
        if name == "write_volume":
            Path(str(arguments[1])).write_bytes(b"NRRD0004\nhalf")
        end = time.monotonic() + HANG_S
        while time.monotonic() < end:
            time.sleep(1.0)
        return original(*arguments)

    setattr(owner, name, hanging)


def main(arguments: list[str]) -> int:
    """Run the worker or the command line with the slow method registered."""
    if arguments[0] == "--hang":
        place = arguments[1]
        arguments = arguments[2:]
        HANG[0] = place
        if place in ("read", "write"):
            _hang_in("read_volume" if place == "read" else "write_volume")
    from ctdiffusion.commands import main as cli
    from ctdiffusion.jobs import worker

    return {"worker": worker.main, "cli": cli.main}[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.modules["slow_method"] = sys.modules["__main__"]
    leave(main(sys.argv[1:]))
