"""Quality of thin slices: against the true ones where they exist, and always against the measured thick ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.units import robust_maximum
from ..images.volume import Volume
from ..operators.slice_average import SliceAverage
from ..quality.metrics import compare


def against_truth(result: Volume, reference: Volume, modality: str) -> dict[str, float]:
    """PSNR, SSIM and RMSE by plane as `quality.metrics.compare`.

    CT: in HU, inside the field of view. MR: in per mille of the reference's robust maximum, which is also the data
    range, over all voxels.

    Raises:
        ValueError: shapes differ.
    """
    if modality == "CT":
        return compare(result, reference)
    scale = 1000.0 / robust_maximum(reference.array)
    scaled = [replace(volume, array=volume.array * scale) for volume in (result, reference)]
    everything = np.ones(reference.array.shape, dtype=bool)
    values = compare(scaled[0], scaled[1], 1000.0, (0.0, 1000.0), everything)
    return {("rmse_permille" if name == "rmse_hu" else name): value for name, value in values.items()}


def against_thick(x: NDArray[np.float32], y: NDArray[np.float32], operator: SliceAverage) -> dict[str, float | None]:
    """||A x - y|| / ||y|| and the largest |A x - y|, in the unit of the arrays given."""
    measured = torch.from_numpy(y.astype(np.float64))
    residual = operator.forward(torch.from_numpy(x.astype(np.float64))) - measured
    size = float(measured.norm())
    return {"relative": float(residual.norm()) / size if size else None, "largest": float(residual.abs().max())}
