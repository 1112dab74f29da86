"""DPS: diffusion posterior sampling (Chung et al., ICLR 2023, arXiv:2209.14687, algorithm 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..context import Context, Level, Step
from .ancestral import fresh_share

if TYPE_CHECKING:
    from torch import Tensor


def dps(length: float, eta: float) -> Step:
    """An ancestral step of the prior alone, then a step down the misfit of its estimate, with respect to x.

    The gradient goes through the network: d f(D(x)) / dx = (dD / dx)' A' (A D(x) - y). The paper's step is a number
    divided by the norm of the residual; here it is `length` times the inverse of the misfit's largest curvature, so
    that below 2 it cannot overshoot, whatever the scanner, the number of views and the noise.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        gradient = context.pull_back(x, context.misfit_gradient(x0), level)
        eps = (x - x0) / level.sigma
        z = context.noise(x, level)
        fresh = fresh_share(eta, level)
        x0 = x0 - length * gradient
        x = x0 + level.after * (math.sqrt(1.0 - fresh * fresh) * eps + fresh * z)
        return x, x0

    return step
