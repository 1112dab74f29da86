"""The report card of a prior on volumes it was never trained on: denoising by level and kind of slice, and DDS."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.noise import NoiseSource
from ..priors.prior import Prior, PriorInfo
from .anatomy import shown
from .cache import CachedVolume
from .grain import grain

LEVELS = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
# Levels, and bounds in HU and mm, of the tables by kind of slice.
SHOWN_LEVELS = (0.01, 0.05, 0.1, 0.3)
GRAINS, THICKNESSES = (12.0, 24.0), (1.5, 3.5)


@dataclass(frozen=True)
class SliceErrors:
    """One slice of the card.

    Attributes:
        volume: its volume's name.
        anatomy: what it shows (CT; see `anatomy.shown`).
        grain: noise in HU that the slice carries itself (CT).
        thickness: slice distance in mm, 0 if unknown.
        squares: mean squared error of D(x0 + sigma n, sigma), in the prior's range, by sigma.
    """

    volume: str
    anatomy: str
    grain: float
    thickness: float
    squares: dict[float, float]


def slice_errors(
    prior: Prior,
    volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]],
    slices_per_volume: int = 3,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
) -> list[SliceErrors]:
    """Denoising of slices taken at equal distances from each volume; the noise is the same for every prior."""
    window = prior.info.hu_window
    found = []
    for entry, array in volumes:
        positions = [round((k + 0.5) * entry.slices / slices_per_volume - 0.5) for k in range(slices_per_volume)]
        hu: Tensor = torch.stack([torch.from_numpy(array[k].astype(np.float32)) for k in positions])
        clean = window.normalise(hu).clamp(0.0, 1.0)
        noise = NoiseSource(seed).normal(0, (len(positions), entry.rows, entry.columns))
        squares = []
        for sigma in levels:
            estimate = prior.predict_x0(clean + sigma * noise, sigma, entry.spacing)
            squares.append((estimate - clean).square().mean(dim=(1, 2)).tolist())
        for k, image in enumerate(hu):
            own = {sigma: values[k] for sigma, values in zip(levels, squares, strict=True)}
            found.append(SliceErrors(entry.name, shown(image.numpy()), grain(image), entry.thickness, own))
    return found


def overall(errors: Sequence[SliceErrors]) -> dict[str, float]:
    """Root-mean-square error in the prior's range, by sigma, every volume counting alike."""
    volumes: dict[str, list[SliceErrors]] = {}
    for error in errors:
        volumes.setdefault(error.volume, []).append(error)
    return {
        f"{sigma:g}": math.sqrt(fmean(fmean(e.squares[sigma] for e in group) for group in volumes.values()))
        for sigma in errors[0].squares
    }


def by_kind(errors: Sequence[SliceErrors], width: float) -> dict[str, dict[str, Any]]:
    """The same in HU apart by what slices show, by the noise that they carry and by their thickness.

    Args:
        errors: slices of CT.
        width: of the prior's window in HU.
    """
    kinds: dict[str, Callable[[SliceErrors], str]] = {
        "anatomy": lambda e: e.anatomy,
        "noise": lambda e: _interval(e.grain, GRAINS, "HU"),
        "thickness": lambda e: _interval(e.thickness, THICKNESSES, "mm") if e.thickness > 0.0 else "not known",
    }
    card: dict[str, dict[str, Any]] = {}
    for kind, name in kinds.items():
        groups: dict[str, list[SliceErrors]] = {}
        for error in errors:
            groups.setdefault(name(error), []).append(error)
        card[kind] = {
            key: {
                "slices": len(group),
                "rmse_hu": {
                    f"{sigma:g}": round(width * math.sqrt(fmean(e.squares[sigma] for e in group)), 1)
                    for sigma in SHOWN_LEVELS
                    if sigma in group[0].squares
                },
            }
            for key, group in sorted(groups.items())
        }
    return card


def _interval(value: float, bounds: tuple[float, float], unit: str) -> str:
    low, high = bounds
    if value < low:
        return f"below {low:g} {unit}"
    return f"{low:g} to {high:g} {unit}" if value <= high else f"over {high:g} {unit}"


def denoising_rmse(
    prior: Prior,
    volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]],
    slices_per_volume: int = 3,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
) -> dict[str, float]:
    """Root-mean-square error of D(x0 + sigma n, sigma), in the prior's range, by sigma; see `slice_errors`."""
    return overall(slice_errors(prior, volumes, slices_per_volume, levels, seed))


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
    """PSNR in dB of FBP, TV and DDS by volume: its central slices from `views` fan-beam views with the default noise.

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
        methods = [("fbp", {"filter": "hann"}), ("tv", {}), ("dds", {})]
        results = run_study(volume, geometry, SimulationSettings(), methods, device="cpu", prior=prior)
        card[entry.name] = {result.method: round(result.metrics["psnr"], 2) for result in results}
    return card
