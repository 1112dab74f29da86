"""DDNM: the denoising diffusion null-space model (Wang, Yu and Zhang, ICLR 2023, arXiv:2212.00490, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def ddnm(fresh: Callable[[Level], float]) -> Step:
    """What the data see of the estimate is theirs, its null-space part the prior's; then noise of the next level.

    Args:
        fresh: level -> share of the noise that is fresh; the rest is the noise that was found.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        eps = (x - x0) / level.sigma
        x0 = context.agree(x0, level)  # A+ y + (I - A+ A) x0, eq. 13
        z = context.noise(x, level)
        share = fresh(level)
        x = x0 + level.after * (math.sqrt(1.0 - share * share) * eps + share * z)
        return x, x0

    return step
