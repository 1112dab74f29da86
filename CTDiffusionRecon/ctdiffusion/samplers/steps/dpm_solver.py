"""DPM-Solver++(2M), a second-order step, with or without noise (Lu et al. 2022, arXiv:2211.01095, algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def dpm_solver(fresh: Callable[[Level], float]) -> Step:
    """The step of DiffPIR, towards an estimate extrapolated to the middle of the step from this one and the one before.

    Linear in log sigma. Without fresh noise it follows the probability flow of p(x0 | y), with the noise of ancestral
    sampling its reverse diffusion. The first step, and the one to sigma = 0, are of first order.

    Args:
        fresh: level -> share of the noise that is fresh.

    Source: Lu et al. 2022, section 5; with noise their SDE-DPM-Solver++(2M) in its midpoint form.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        x0 = context.agree(x0, level)
        middle = x0
        before = context.memory.get("before")
        if before is not None and level.before is not None and level.after > 0.0:
            h, last = math.log(level.sigma / level.after), math.log(level.before / level.sigma)
            middle = x0 + h / (2.0 * last) * (x0 - before)
        context.memory["before"] = x0
        z = context.noise(x, level)
        share = fresh(level)
        kept = level.after / level.sigma * math.sqrt(1.0 - share * share)
        x = kept * x + (1.0 - kept) * middle + level.after * share * z
        return x, x0

    return step
