"""DiffPIR: plug-and-play restoration by diffusion (Zhu et al., CVPRW 2023, arXiv:2305.08995, algorithm 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def diffpir(zeta: float) -> Step:
    """The noise is the one that the estimate *after* data consistency leaves in x, a share `zeta` of it fresh.

    This is what tells it from DDS: with zeta = 0 the step is Euler's for the probability flow of p(x0 | y), where DDS
    takes the direction of p(x0).
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        x0 = context.agree(x0, level)  # the proximal point of the data term, eq. 13
        eps = (x - x0) / level.sigma
        z = context.noise(x, level)
        x = x0 + level.after * (math.sqrt(1.0 - zeta) * eps + math.sqrt(zeta) * z)  # eq. 14
        return x, x0

    return step
