"""Ancestral sampling: noise as the diffusion itself would have it (Ho et al. 2020, arXiv:2006.11239, algorithm 2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..context import Context, Level, Step

if TYPE_CHECKING:
    from torch import Tensor


def ancestral(eta: float) -> Step:
    """The estimate agrees with the data; the fresh noise is that of p(x' | x, x0) for eta = 1, less of it for less.

    Source: Ho et al. 2020, eq. 7, for a variance-exploding process; eta: Song et al. 2021 (arXiv:2010.02502), eq. 16.
    """

    def step(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x0 = context.denoise(x, level)
        eps = (x - x0) / level.sigma
        x0 = context.agree(x0, level)
        z = context.noise(x, level)
        fresh = fresh_share(eta, level)
        x = x0 + level.after * (math.sqrt(1.0 - fresh * fresh) * eps + fresh * z)
        return x, x0

    return step


def fresh_share(eta: float, level: Level) -> float:
    """eta sqrt(1 - (sigma' / sigma)^2), the share of fresh noise."""
    return eta * math.sqrt(max(0.0, 1.0 - (level.after / level.sigma) ** 2))
