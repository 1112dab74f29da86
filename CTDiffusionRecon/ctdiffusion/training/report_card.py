"""The report card of a prior on volumes it was never trained on: denoising by noise level, and DDS."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.noise import NoiseSource
from ..priors.prior import Prior, PriorInfo
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
    window = prior.info.hu_window
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


def as_loss(rmse: dict[str, float], info: PriorInfo) -> dict[str, float]:
    """The same as EDM's weighted loss, in which a network that knows nothing has about 1 at every level."""

    deviation = float(info.parametrisation["sigma_data"])

    def weight(sigma: float) -> float:
        return (sigma**2 + deviation**2) / (sigma * deviation) ** 2

    return {sigma: weight(float(sigma)) * value**2 for sigma, value in rmse.items()}


def dds_psnr(
    prior: Prior, volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]], slices: int = 2, views: int = 30
) -> dict[str, dict[str, float]]:
    """PSNR in dB of FBP and DDS by volume: its central slices from `views` fan-beam views with the default noise.

    Needs the packages of a reconstruction (SimpleITK, scipy), which a bare training machine may lack.
    """
    from ..acquisition.settings import SimulationSettings
    from ..images.volume import Volume
    from ..scan.beams import equispaced
    from ..scan.machines import default_geometry
    from ..studies.study import run_study

    card = {}
    for entry, array in volumes:
        start = max(0, (entry.slices - slices) // 2)
        # The cache keeps no slice distance; a fan beam does not need it.
        volume = Volume(array[start : start + slices].astype(np.float32), (entry.spacing, entry.spacing, 1.0))
        geometry = default_geometry("fan", equispaced(views), volume.grid)
        methods = [("fbp", {"filter": "hann"}), ("dds", {})]
        results = run_study(volume, geometry, SimulationSettings(), methods, device="cpu", prior=prior)
        card[entry.name] = {result.method: round(result.metrics["psnr"], 2) for result in results}
    return card
