"""Reading training volumes: what goes into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.units import per_mille
from ..images.orientation import to_lps
from ..images.volume import read_intensities, read_volume

HU_LOWEST, HU_HIGHEST = -1024.0, 3071.0


def ct_volume(path: Path) -> dict[str, Any]:
    """One volume, clipped to 12 bits.

    Returns:
        `{"path", "array" [slice, row, column] in HU, "spacing" of pixels and "thickness" of slices in mm}`.
    """
    volume, _ = to_lps(read_volume(path))
    x, _, z = volume.spacing
    return {"path": path, "array": volume.array.clip(HU_LOWEST, HU_HIGHEST), "spacing": x, "thickness": z}


def mr_planes(path: Path) -> list[dict[str, Any]]:
    """The axial, coronal and sagittal slices of an MR volume, where their pixels are square to 2 %.

    Returns:
        `{"path", "plane", "array" [slice, row, column] in per mille of the robust maximum, "spacing" and "thickness" in
        mm}` each.
    """
    volume = read_intensities(path)
    array = np.rint(per_mille(volume.array)).clip(0.0, 2000.0)
    x, y, z = volume.spacing
    planes = (("_axial", (0, 1, 2), y, x, z), ("_coronal", (1, 0, 2), z, x, y), ("_sagittal", (2, 0, 1), z, y, x))
    return [
        {
            "path": path,
            "plane": plane,
            "array": np.ascontiguousarray(array.transpose(axes)),
            "spacing": column,
            "thickness": distance,
        }
        for plane, axes, row, column, distance in planes
        if abs(row / column - 1.0) < 0.02
    ]
