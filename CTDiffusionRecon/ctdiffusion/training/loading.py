"""Reading training volumes with MONAI: a data set of clipped HU arrays behind the cache.

MONAI is needed only here and in `augmentation`; training itself reads the finished cache with numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..units import per_mille
from ..volume import read_intensities, read_volume

HU_LOWEST, HU_HIGHEST = -1024.0, 3071.0


def load_volume(item: Mapping[str, Any]) -> dict[str, Any]:
    """`{"path"}` -> `{"path", "array" [slice, row, column] in HU, "spacing"}` (pixel size in mm)."""
    volume = read_volume(item["path"])
    return {**item, "array": volume.array, "spacing": volume.spacing[0]}


def volume_dataset(paths: Sequence[Path]) -> Any:
    """A `monai.data.Dataset` that reads CT volumes and clips them to 12-bit HU."""
    from monai.data import Dataset  # type: ignore[attr-defined]
    from monai.transforms import Compose, ScaleIntensityRanged  # type: ignore[attr-defined]

    clip = ScaleIntensityRanged(
        keys="array", a_min=HU_LOWEST, a_max=HU_HIGHEST, b_min=HU_LOWEST, b_max=HU_HIGHEST, clip=True
    )
    return Dataset(data=[{"path": path} for path in sorted(paths)], transform=Compose([load_volume, clip]))


def mr_planes(path: Path) -> list[dict[str, Any]]:
    """The axial, coronal and sagittal slices of an MR volume, where their pixels are square to 2 %.

    Returns:
        `{"path", "plane", "array" [slice, row, column] in per mille of the robust maximum, "spacing" in mm}` each.
    """
    volume = read_intensities(path)
    array = np.rint(per_mille(volume.array)).clip(0.0, 2000.0)
    x, y, z = volume.spacing
    planes = (("_axial", (0, 1, 2), y, x), ("_coronal", (1, 0, 2), z, x), ("_sagittal", (2, 0, 1), z, y))
    return [
        {"path": path, "plane": plane, "array": np.ascontiguousarray(array.transpose(axes)), "spacing": column}
        for plane, axes, row, column in planes
        if abs(row / column - 1.0) < 0.02
    ]
