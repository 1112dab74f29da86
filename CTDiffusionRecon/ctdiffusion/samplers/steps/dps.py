"""DPS: diffusion posterior sampling (Chung et al., ICLR 2023, arXiv:2209.14687, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def dps(length: float, fresh: Callable[[Level], float]) -> Step:
    """A step of the prior alone, and one down the misfit of its estimate as a function of x.

    The gradient goes through the network: d f(D(x)) / dx = (dD / dx)' A' (A D(x) - y). The paper's step is a number
    divided by the norm of the residual; here it is `length` times the inverse of the misfit's largest curvature, so
    that below 2 it does not overshoot, whatever the scanner, the number of views and the noise.

    Args:
        length: of the step down the misfit.
        fresh: level -> share of the noise that is fresh; in the paper that of ancestral sampling.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        gradient = context.pull_back(x, context.misfit_gradient(x0), level)
        eps = (x - x0) / level.sigma
        z = context.noise(x, level)
        x0 = x0 - length * gradient
        share = fresh(level)
        x = x0 + level.after * (math.sqrt(1.0 - share * share) * eps + share * z)
        return x, x0

    return step
