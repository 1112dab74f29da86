"""Renewal: all noise is fresh at every level, as in ISCS's CT experiments (arXiv:2602.04162)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..context import Context, Level

if TYPE_CHECKING:
    from torch import Tensor


def renew(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """The estimate agrees with the data; nothing is left of the noise that was found in it."""
    x0 = context.denoise(x, level)
    x0 = context.agree(x0, level)
    x = x0 + level.after * context.noise(x, level)
    return x, x0
