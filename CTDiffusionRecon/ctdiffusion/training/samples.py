"""Pictures of a denoiser at work, and of what it draws from noise alone."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.noise import NoiseSource
from ..priors.prior import Prior
from .task import Rows, Volumes

_LEVELS = (0.1, 0.3)
_DRAWS, _STEPS = 3, 24
# Of the prior's range, what is shown from black to white: to 700 HU for CT.
_BRIGHTEST = 0.65


def denoised_rows(prior: Prior, volumes: Volumes, crop: int) -> Rows:
    """A central slice of up to three volumes with noise and without, and a row of draws of `crop` pixels."""
    rows: Rows = []
    for entry, array in volumes[:3]:
        hu = torch.from_numpy(np.asarray(array[[entry.slices // 2]]).astype(np.float32))
        clean = prior.info.hu_window.normalise(hu).clamp(0.0, 1.0)
        row = [_seen(clean[0])]
        for sigma in _LEVELS:
            noisy = clean + sigma * NoiseSource(0).normal(0, (1, entry.rows, entry.columns))
            row += [_seen(noisy[0]), _seen(prior.predict_x0(noisy, sigma, entry.spacing)[0])]
        rows.append(row)
    low, high = prior.info.spacing_range
    rows.append([_seen(image) for image in draws(prior, _DRAWS, crop, math.sqrt(low * high))])
    return rows


def draws(prior: Prior, count: int, side: int, spacing: float) -> Tensor:
    """Images `[draw, row, column]` from noise alone: DDIM from the highest level to the lowest (Karras et al. 2022)."""
    low, high = prior.info.sigma_range
    # Their schedule with rho 7: few steps at the high levels, many at the low ones.
    ramp = torch.linspace(high ** (1.0 / 7.0), low ** (1.0 / 7.0), _STEPS, dtype=torch.float64) ** 7.0
    levels = [*ramp.tolist(), 0.0]
    x: Tensor = float(prior.info.parametrisation["mean"]) + levels[0] * NoiseSource(1).normal(0, (count, side, side))
    for sigma, following in pairwise(levels):
        estimate = prior.predict_x0(x, sigma, spacing)
        x = estimate + (following / sigma) * (x - estimate)
    return x


def _seen(image: Tensor) -> NDArray[np.float32]:
    shown: NDArray[np.float32] = (image / _BRIGHTEST).numpy()
    return shown
