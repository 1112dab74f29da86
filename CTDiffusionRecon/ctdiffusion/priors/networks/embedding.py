"""Sinusoidal features of a timestep or level (Vaswani et al. 2017; Ho et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(level: Tensor, width: int, steps: int) -> tuple[Tensor, Tensor]:
    """Sines and cosines of `level` at `width // 2` frequencies from 1 to 10000^(-(width // 2 - 1) / steps).

    Args:
        level: timesteps `[batch]`, whole or in between.
        width: number of features, sines and cosines together.
        steps: the frequencies are 10000^(-i / steps).

    Returns:
        sines and cosines, each `[batch, width // 2]`.
    """
    index = torch.arange(width // 2, device=level.device, dtype=torch.float32)
    phase = level.float()[:, None] * torch.exp(index * (-math.log(10000.0) / steps))
    return phase.sin(), phase.cos()
