"""An image as it stands in its file, before anyone has judged its values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Direction = tuple[float, float, float, float, float, float, float, float, float]
IDENTITY: Direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# Nothing that is scanned has voxels outside of these lengths, or lies farther from the origin than that.
SMALLEST_MM, LARGEST_MM, FARTHEST_MM = 1e-6, 1e3, 1e6
MOST_OBLONG = 1000.0
# Stored matrices are rounded, and some are off by a little more than that.
_STRAIGHT = 2e-3


@dataclass(frozen=True, eq=False)
class Pixels:
    """Scalar voxels `[slice, row, column]` with their place in LPS millimetres, and what was done to read them.

    `dimensions` is 2 where the file holds a 2-D image, which then is the one slice; `body_part` and `modality` are
    DICOM's. `doubt` says why `spacing` is no voxel size, where the header tells none; sinograms need none.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: Direction
    notes: tuple[str, ...] = ()
    dimensions: int = 3
    body_part: str = ""
    modality: str = ""
    doubt: str = ""


def check_direction(direction: Direction) -> None:
    """Refuse axes that are not perpendicular unit vectors; left-handed ones are fine.

    Raises:
        ValueError: a sheared, scaled or degenerate direction matrix.
    """
    if not _off(np.asarray(direction, dtype=np.float64).reshape(3, 3)) <= 1e-4:
        raise ValueError(
            "direction: the axes are not perpendicular unit vectors (a sheared image, as gantry tilt makes); "
            "resample it onto a straight grid first"
        )


def placed(pixels: Pixels) -> Pixels:
    """The same voxels, once their size and place are possible, on axes that are exactly perpendicular.

    Raises:
        ValueError: no spacing, one that is no length between a nanometre and a metre, an origin a kilometre away, or
            axes that are farther from perpendicular unit vectors than rounding explains.
    """
    if pixels.doubt:
        raise ValueError(f"spacing: {pixels.doubt}")
    if not all(SMALLEST_MM <= length <= LARGEST_MM for length in pixels.spacing):
        raise ValueError(f"spacing: {_listed(pixels.spacing)} mm is not the size of a voxel")
    if max(pixels.spacing) > MOST_OBLONG * min(pixels.spacing):
        raise ValueError(f"spacing: {_listed(pixels.spacing)} mm: an edge {MOST_OBLONG:g} times another is no voxel")
    if not all(abs(place) <= FARTHEST_MM for place in pixels.origin):
        raise ValueError(f"origin: {_listed(pixels.origin)} mm is not a place near a scanner")
    matrix = np.asarray(pixels.direction, dtype=np.float64).reshape(3, 3)
    if _off(matrix) <= 1e-6:
        return pixels
    straight = straightened(matrix)
    if straight is None:
        check_direction(pixels.direction)
        return pixels
    return replace(pixels, direction=as_direction(straight))


def straightened(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The perpendicular unit vectors next to the columns of a matrix, or None where they are not near.

    Args:
        matrix: 3 by 3, columns of unit length.

    Source: the orthogonal factor of the polar decomposition (Higham 1986, doi:10.1137/0907079).
    """
    if not _off(matrix) <= _STRAIGHT:
        return None
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right, dtype=np.float64)


def as_direction(matrix: NDArray[np.float64]) -> Direction:
    """A 3 by 3 matrix as nine numbers, row-major."""
    a, b, c, d, e, f, g, h, i = (matrix + 0.0).reshape(-1).tolist()
    return a, b, c, d, e, f, g, h, i


def _off(matrix: NDArray[np.float64]) -> float:
    """How far the columns are from perpendicular unit vectors; infinite where they are no numbers."""
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 10.0:
        return float("inf")
    return float(np.abs(matrix.T @ matrix - np.eye(3)).max())


def _listed(values: tuple[float, float, float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
