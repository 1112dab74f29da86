"""Where thin slices lie: between thick ones, and thick ones simulated from thin ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..images.volume import Volume
from ..operators.slice_average import SliceAverage
from ..operators.slice_profiles import FACTORS, nearly_cubic


def automatic_factor(thick: Volume) -> tuple[int, tuple[str, ...]]:
    """The factor that makes the voxels most nearly isotropic, 2 to 8, with a warning where none does."""
    factor, wanted = nearly_cubic(thick.spacing)
    low, high = FACTORS
    ratio = f"the slices are {wanted:.2g} times as thick as the pixels are wide"
    warnings = []
    if wanted < 0.75 * low:
        warnings.append(f"{ratio}: halving them gains little")
    if wanted > 1.25 * high:
        warnings.append(f"{ratio}: divided by {high} they stay longer than wide")
    return factor, tuple(warnings)


def thin_volume(thick: Volume, factor: int, array: NDArray[np.float32]) -> Volume:
    """Thin slices `[slice, row, column]` at their place: `factor` of them fill each thick slice.

    The spacing along the slices is divided by the factor, the origin moves by half the difference, the direction stays.

    Raises:
        ValueError: another number of slices or another in-plane size.
    """
    slices, rows, columns = thick.array.shape
    if array.shape != (slices * factor, rows, columns):
        raise ValueError(f"thin slices of shape {array.shape} do not fill a volume of shape {thick.array.shape}")
    x, y, z = thick.spacing
    thin = z / factor
    origin = _moved(thick, -0.5 * (factor - 1) * thin)
    return replace(thick, array=array, spacing=(x, y, thin), origin=origin, notes=())


def thick_volume(thin: Volume, operator: SliceAverage) -> Volume:
    """The thick slices that a scanner with this profile would have measured, at their place."""
    array = operator.forward(torch.from_numpy(thin.array)).numpy()
    x, y, z = thin.spacing
    origin = _moved(thin, 0.5 * (operator.factor - 1) * z)
    return replace(thin, array=array, spacing=(x, y, z * operator.factor), origin=origin, notes=())


def cropped(thin: Volume, factor: int) -> tuple[Volume, tuple[str, ...]]:
    """As many slices as the factor divides, with a warning where some are left out.

    Raises:
        ValueError: fewer than two thick slices would be left.
    """
    count = thin.array.shape[0]
    keep = count - count % factor
    if keep < 2 * factor:
        raise ValueError(f"factor: {count} thin slices do not make two thick ones of {factor}")
    if keep == count:
        return thin, ()
    text = f"factor {factor} does not divide the {count} slices: the last {count - keep} are left out"
    return replace(thin.slices(0, keep), notes=thin.notes), (text,)


def _moved(volume: Volume, distance: float) -> tuple[float, float, float]:
    """The origin moved by a distance in mm along the slices."""
    x, y, z = (o + distance * volume.direction[3 * i + 2] for i, o in enumerate(volume.origin))
    return x, y, z
