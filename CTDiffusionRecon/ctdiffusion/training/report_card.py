"""The report card of a prior: denoising error by noise level on volumes it was never trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..noise import NoiseSource
from ..priors.prior import Prior
from .cache import CachedVolume

LEVELS = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


def denoising_rmse(
    prior: Prior,
    volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]],
    slices_per_volume: int = 3,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
) -> dict[str, float]:
    """Root-mean-square error of D(x0 + sigma n, sigma), in the prior's range, by sigma.

    Slices are taken at equal distances from each volume; the noise is the same for every prior.
    """
    window = prior.info.window
    errors: dict[float, list[float]] = {sigma: [] for sigma in levels}
    for entry, array in volumes:
        positions = [round((k + 0.5) * entry.slices / slices_per_volume - 0.5) for k in range(slices_per_volume)]
        hu: Tensor = torch.stack([torch.from_numpy(array[k].astype(np.float32)) for k in positions])
        clean = window.normalise(hu).clamp(0.0, 1.0)
        noise = NoiseSource(seed).normal(0, (len(positions), entry.rows, entry.columns))
        for sigma in levels:
            estimate = prior.predict_x0(clean + sigma * noise, sigma, entry.spacing)
            errors[sigma].append(float((estimate - clean).square().mean()))
    return {f"{sigma:g}": math.sqrt(sum(e) / len(e)) for sigma, e in errors.items()}


def as_psnr(rmse: dict[str, float]) -> dict[str, float]:
    """The same as PSNR in dB for a data range of 1 (the width of the prior's HU window)."""
    return {sigma: -20.0 * math.log10(value) for sigma, value in rmse.items()}
