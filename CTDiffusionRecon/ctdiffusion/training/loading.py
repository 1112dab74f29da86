"""Reading training volumes with MONAI: a data set of clipped HU arrays behind the cache.

MONAI is needed only here and in `augmentation`; training itself reads the finished cache with numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..volume import read_volume

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
