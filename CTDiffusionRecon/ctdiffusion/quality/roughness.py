"""How much a volume changes from slice to slice, against how much the true one does."""

from __future__ import annotations

import numpy as np

from ..images.volume import Volume
from .metrics import field_of_view


def roughness_z(result: Volume, reference: Volume, window: tuple[float, float] = (-1000.0, 1000.0)) -> float:
    """Mean absolute difference between neighbouring slices in the scan field of view, relative to the reference's.

    1 is as rough as the truth; a prior that treats slices apart gives more, smoothing along z less. Values are clipped
    to `window` in HU as they are for PSNR. NaN for a single slice or a reference that does not change.

    Raises:
        ValueError: shapes differ.
    """
    if result.array.shape != reference.array.shape:
        raise ValueError(f"result has shape {result.array.shape}, reference {reference.array.shape}")
    mask = field_of_view(reference)[1:]
    steps = [float(np.abs(np.diff(np.clip(v.array, *window), axis=0))[mask].sum()) for v in (result, reference)]
    return steps[0] / steps[1] if steps[1] > 0.0 else float("nan")
