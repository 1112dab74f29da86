"""Orthogonal cuts of a volume as a radiologist expects them: patient's right on the left, head and front up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    cosines = np.asarray(direction).reshape(3, 3)
    # Array axis 2 - k runs along index axis k, whose LPS direction is column k of the matrix.
    order = _nearest_axes(cosines)
    axes = [2 - order[world] for world in (2, 1, 0)]
    upright = np.transpose(array, axes)
    for position, world in enumerate((2, 1, 0)):
        if cosines[world, order[world]] < 0:
            upright = np.flip(upright, position)
    dx, dy, dz = (spacing[order[world]] for world in (0, 1, 2))
    slices, rows, columns = upright.shape
    # Up on the page is superior: the slice axis is turned over.
    return {
        "axial": Plane(upright[slices // 2], columns * dx, rows * dy),
        "coronal": Plane(upright[::-1, rows // 2], columns * dx, slices * dz),
        "sagittal": Plane(upright[::-1, :, columns // 2], rows * dy, slices * dz),
    }


def _nearest_axes(cosines: NDArray[np.float64]) -> list[int]:
    """For each of x, y, z of the patient the index axis that runs along it, each index axis used once."""
    strength = np.abs(cosines)
    order = [-1, -1, -1]
    for _ in range(3):
        world, index = np.unravel_index(int(np.argmax(strength)), strength.shape)
        order[int(world)] = int(index)
        strength[world, :] = -1.0
        strength[:, index] = -1.0
    return order
