"""Volumes in the patient's order of axes: columns to the left, rows to posterior, slices to superior.

A scan is laid in the patient's coordinates (`geometry.py`), whatever order a file stores its voxels in: before it the
volume is transposed and mirrored to the nearest such order, after it the result goes back onto the stored grid. No
voxel is interpolated; a volume that lies oblique keeps its own axes, each taken for the patient's next to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from .pixels import Direction

if TYPE_CHECKING:
    from .volume import Volume

# Axes of a volume that are farther from the patient's than this make a scan that no scanner would take.
OBLIQUE_DEG = 10.0
# A slice this much thicker than the pixels are wide is what a thick slice is.
_THICKER = 1.25
Scalar = TypeVar("Scalar", bound=np.generic)
Axes = tuple[int, int, int]
Flips = tuple[bool, bool, bool]


@dataclass(frozen=True)
class _Place:
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: Direction


@dataclass(frozen=True)
class Undo:
    """The way back from the patient's order to the stored one; called with any volume that lies as the laid one does.

    Attributes:
        axes: for x, y and z of the stored volume, the index axis of the laid one.
        flips: whether that axis is mirrored.
        laid, stored: places of the volume in the patient's order and as it was stored, so that what lies exactly on
            the one comes to lie exactly on the other.
    """

    axes: Axes = (0, 1, 2)
    flips: Flips = (False, False, False)
    laid: _Place | None = None
    stored: _Place | None = None

    def __call__(self, volume: Volume) -> Volume:
        if self.axes == (0, 1, 2) and not any(self.flips):
            return volume
        back = _turned(volume, self.axes, self.flips)
        if self.stored is None or _place(volume) != self.laid:
            return back
        return replace(back, spacing=self.stored.spacing, origin=self.stored.origin, direction=self.stored.direction)

    def first_slice(self, start: int, stop: int, count: int) -> int:
        """Index among the laid slices of the first of the stored slices `start:stop` of `count`; 0 where they cross."""
        if self.axes[2] != 2:
            return 0
        return count - stop if self.flips[2] else start


def to_lps(volume: Volume) -> tuple[Volume, Undo]:
    """A volume in the order nearest to left, posterior, superior, and the way back."""
    axes, flips = nearest_order(volume.direction)
    return _laid(volume, axes, flips)


def to_slices(volume: Volume) -> tuple[Volume, Undo]:
    """A volume whose thick slices are its slices, each as it is looked at, and the way back.

    Slices are thick along the axis of the largest voxels, or from head to foot where none is thicker. Axial ones have
    columns to the left and rows to posterior, coronal and sagittal ones rows to inferior.
    """
    axes, _ = nearest_order(volume.direction)
    thick = axes.index(slice_axis(volume.spacing, volume.direction))
    if thick == 2:
        return to_lps(volume)
    # Coronal: columns to the left, slices to posterior. Sagittal: columns to posterior, slices to the right.
    worlds, signs = ((0, 2, 1), (1, -1, 1)) if thick == 1 else ((1, 2, 0), (1, -1, -1))
    cosines = np.reshape(volume.direction, (3, 3))
    x, y, z = (axes[world] for world in worlds)
    a, b, c = (bool(sign * cosines[w, axes[w]] < 0) for w, sign in zip(worlds, signs, strict=True))
    return _laid(volume, (x, y, z), (a, b, c))


def slice_axis(spacing: tuple[float, float, float], direction: Direction) -> int:
    """The index axis along which slices are thick: that of the largest voxels, or from head to foot."""
    axes, _ = nearest_order(direction)
    thick = int(np.argmax(spacing))
    others = max(length for axis, length in enumerate(spacing) if axis != thick)
    return thick if spacing[thick] > _THICKER * others else axes[2]


def nearest_order(direction: Direction) -> tuple[Axes, Flips]:
    """For left, posterior and superior the index axis that runs nearest to it, and whether it runs against it."""
    cosines = np.reshape(np.asarray(direction, dtype=np.float64), (3, 3))
    strength = np.abs(cosines)

    def fit(order: tuple[int, ...]) -> float:
        return round(sum(float(strength[world, axis]) for world, axis in enumerate(order)), 9)

    x, y, z = max(permutations(range(3)), key=fit)
    return (x, y, z), (bool(cosines[0, x] < 0), bool(cosines[1, y] < 0), bool(cosines[2, z] < 0))


def oblique_warnings(volume: Volume) -> tuple[str, ...]:
    """A warning where the volume's axes lie far from the patient's."""
    axes, _ = nearest_order(volume.direction)
    cosines = np.reshape(np.asarray(volume.direction), (3, 3))
    nearest = min(abs(float(cosines[world, axis])) for world, axis in enumerate(axes))
    angle = float(np.degrees(np.arccos(min(nearest, 1.0))))
    if angle <= OBLIQUE_DEG:
        return ()
    return (
        f"the volume lies oblique, {angle:.0f} degrees from the patient's axes: its own axes are taken for them, "
        "each for the one next to it",
    )


def oriented(array: NDArray[Scalar], direction: Direction) -> NDArray[Scalar]:
    """An array `[slice, row, column]` of a volume of this direction, in the patient's order."""
    return _turned_array(array, *nearest_order(direction))


def _laid(volume: Volume, axes: Axes, flips: Flips) -> tuple[Volume, Undo]:
    if axes == (0, 1, 2) and not any(flips):
        return volume, Undo()
    laid = _turned(volume, axes, flips)
    x, y, z = (axes.index(axis) for axis in range(3))
    return laid, Undo((x, y, z), (flips[x], flips[y], flips[z]), _place(laid), _place(volume))


def _place(volume: Volume) -> _Place:
    return _Place(volume.array.shape, volume.spacing, volume.origin, volume.direction)


def _turned(volume: Volume, axes: Axes, flips: Flips) -> Volume:
    """The same voxels at the same places with index axis `axes[k]`, mirrored where `flips[k]`, as axis k."""
    cosines = np.reshape(np.asarray(volume.direction, dtype=np.float64), (3, 3))[:, list(axes)]
    x, y, z = (volume.spacing[axis] for axis in axes)
    counts = [volume.array.shape[2 - axis] for axis in axes]
    origin = np.asarray(volume.origin, dtype=np.float64)
    for k in range(3):
        if flips[k]:
            origin = origin + (counts[k] - 1) * (x, y, z)[k] * cosines[:, k]
            # Not -0.
            cosines[:, k] = 0.0 - cosines[:, k]
    a, b, c = origin.tolist()
    d = tuple(cosines.reshape(-1).tolist())
    array = _turned_array(volume.array, axes, flips)
    return replace(volume, array=array, spacing=(x, y, z), origin=(a, b, c), direction=d)


def _turned_array(array: NDArray[Scalar], axes: Axes, flips: Flips) -> NDArray[Scalar]:
    # Index axis k is array axis 2 - k.
    turned = np.transpose(array, [2 - axes[2 - position] for position in range(3)])
    return np.flip(turned, tuple(2 - k for k in range(3) if flips[k]))
