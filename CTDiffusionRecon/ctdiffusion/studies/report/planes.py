"""Orthogonal cuts of a volume as a radiologist expects them: patient's right on the left, head and front up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...images.orientation import nearest_order, oriented
from ...images.pixels import IDENTITY, Direction

NAMES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True, eq=False)
class Plane:
    """One cut. `image` is `[down, right]`; `width` and `height` are its extent in mm."""

    image: NDArray[np.float32]
    width: float
    height: float


def cuts(
    array: NDArray[np.float32], spacing: tuple[float, float, float], direction: Direction = IDENTITY
) -> dict[str, Plane]:
    """The axial, coronal and sagittal cuts through the centre of a volume.

    Args:
        array: HU, `[slice, row, column]`.
        spacing: voxel size in mm, (x, y, z).
        direction: direction cosines, row-major, LPS. An oblique volume is shown along its own axes, each named after
            the patient's axis next to it.
    """
    axes, _ = nearest_order(direction)
    upright = oriented(array, direction)
    dx, dy, dz = (spacing[axis] for axis in axes)
    slices, rows, columns = upright.shape
    # Up on the page is superior: the slice axis is turned over.
    return {
        "axial": Plane(upright[slices // 2], columns * dx, rows * dy),
        "coronal": Plane(upright[::-1, rows // 2], columns * dx, slices * dz),
        "sagittal": Plane(upright[::-1, :, columns // 2], rows * dy, slices * dz),
    }
