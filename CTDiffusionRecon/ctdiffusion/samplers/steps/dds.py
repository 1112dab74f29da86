"""DDS: decomposed diffusion sampling (Chung, Lee and Ye, ICLR 2024, arXiv:2303.05754, algorithm 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def dds(eta: float) -> Step:
    """The estimate agrees with the data; the noise that was found stays, but for a share `eta` that is fresh.

    The noise is the one found before the data had their say. With eta = 0 the step is that of DDIM (Song et al. 2021,
    arXiv:2010.02502, eq. 12), with eta = 1 all noise is fresh.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        eps = (x - x0) / level.sigma
        x0 = context.agree(x0, level)  # conjugate gradients, eq. 17
        z = context.noise(x, level)
        x = x0 + level.after * (math.sqrt(1.0 - eta * eta) * eps + eta * z)  # eq. 13
        return x, x0

    return step
