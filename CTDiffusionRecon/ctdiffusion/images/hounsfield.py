"""Are these values Hounsfield units? Checks of a scalar image before it is treated as CT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.units import LOWEST_HU

# Above this only metal is found: cortical bone ends near 2000 HU, dental enamel near 3000 HU.
METAL_HU = 4000.0
# Noise, fat or skin alone span more than this in any CT; MR that was normalised to a deviation of 1 does not.
LEAST_RANGE_HU = 60.0
_HINT = "pass assume_hu=True (--assume-hu) if it is CT in HU all the same"


def to_hounsfield(array: NDArray[Any], name: str, assume_hu: bool) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The voxels as float32 HU with padding clipped at -1024 HU, and notes on what was found.

    Raises:
        ValueError: not-a-number or infinite voxels; values that cannot be HU, unless `assume_hu`.
    """
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{name}: voxels of type {array.dtype} are not scalar numbers")
    if array.dtype.kind == "f":
        bad = array.size - int(np.isfinite(array).sum())
        if bad:
            raise ValueError(f"{name}: {bad} of {array.size} voxels are not finite (NaN or infinite)")
    low, high = float(array.min()), float(array.max())
    if not assume_hu:
        _refuse_other_units(array, low, high, name)
    hu = np.array(array, dtype=np.float32, order="C")
    notes = []
    if low < LOWEST_HU:
        share = _percent(hu < LOWEST_HU)
        notes.append(f"{share} of the voxels lay below {LOWEST_HU:g} HU (padding) and were set to it")
        np.maximum(hu, np.float32(LOWEST_HU), out=hu)
    if high > METAL_HU:
        notes.append(f"{_percent(hu > METAL_HU)} of the voxels lie above {METAL_HU:g} HU (metal, to {high:.0f} HU)")
    return hu, tuple(notes)


def _refuse_other_units(array: NDArray[Any], low: float, high: float, name: str) -> None:
    if low == high:
        return
    if low < LOWEST_HU:
        body = array >= LOWEST_HU
        if np.count_nonzero(body) < 0.05 * array.size:
            raise ValueError(f"{name}: nearly all voxels lie below {LOWEST_HU:g} HU (rescale applied twice?); {_HINT}")
        low = float(np.min(array, where=body, initial=high))
    refuse_label_map(array, name)
    if array.dtype.kind == "b" or array.dtype == np.uint8:
        raise ValueError(f"{name}: an 8-bit image ({low:g} to {high:g}) does not hold HU; {_HINT}")
    if low >= 0 or (low > -100 and high > 400):
        raise ValueError(
            f"{name}: values from {low:g} to {high:g} with no air or fat are not HU "
            f"(MR, attenuation, or a rescale slope/intercept that was not applied); {_HINT}"
        )
    if high - low < LEAST_RANGE_HU:
        raise ValueError(f"{name}: values from {low:g} to {high:g} look normalised, not HU; {_HINT}")


def refuse_label_map(array: NDArray[Any], name: str) -> None:
    """Refuse a segmentation that is stored as an image.

    Raises:
        ValueError: whole numbers from 0 on, and few different ones.
    """
    low, high = float(array.min()), float(array.max())
    if 0 <= low < high and array.dtype.kind in "iub" and _distinct(array) <= 40:
        raise ValueError(f"{name}: few whole values, {low:g} to {high:g}: looks like a label map, not HU; {_HINT}")


def _distinct(array: NDArray[Any]) -> int:
    """How many different values a sample of the voxels has."""
    return len(np.unique(array.reshape(-1)[:: max(array.size // 100_000, 1)]))


def _percent(mask: NDArray[np.bool_]) -> str:
    return f"{100.0 * np.count_nonzero(mask) / mask.size:.2g} %"
