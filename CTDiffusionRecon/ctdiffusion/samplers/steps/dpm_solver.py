"""DPM-Solver++(2M), a second-order step, with or without noise (Lu et al. 2022, arXiv:2211.01095, algorithm 2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def dpm_solver(eta: float) -> Step:
    """Second order at one evaluation a level: this estimate and the one before give the one in the middle of the step.

    Extrapolated linearly in t = -log sigma. With eta = 0 the step follows the probability flow of p(x0 | y), with
    eta = 1 its reverse diffusion. The first step, and the one to sigma = 0, are of first order.

    Source: Lu et al. 2022, section 5; with noise their SDE-DPM-Solver++(2M) in its midpoint form.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.agree(context.denoise(x, level), level)
        before = context.memory.get("before")
        context.memory["before"] = x0
        if level.after == 0.0:
            return x0, x0
        h = math.log(level.sigma / level.after)
        middle = x0
        if before is not None and level.before is not None:
            r = math.log(level.before / level.sigma) / h
            middle = x0 + (x0 - before) / (2.0 * r)
        z = context.noise(x, level)
        x = math.exp(-(1.0 + eta) * h) * x - math.expm1(-(1.0 + eta) * h) * middle
        x = x + level.after * math.sqrt(-math.expm1(-2.0 * eta * h)) * z
        return x, x0

    return step
