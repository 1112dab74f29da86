"""An image as it stands in its file, before anyone has judged its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Direction = tuple[float, float, float, float, float, float, float, float, float]
IDENTITY: Direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Pixels:
    """Scalar voxels `[slice, row, column]` with their place in LPS millimetres, and what was done to read them.

    `dimensions` is 2 where the file holds a 2-D image, which then is the one slice; `body_part` and `modality` are
    DICOM's.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: Direction
    notes: tuple[str, ...] = ()
    dimensions: int = 3
    body_part: str = ""
    modality: str = ""


def check_direction(direction: Direction) -> None:
    """Refuse axes that are not perpendicular unit vectors; left-handed ones are fine.

    Raises:
        ValueError: a sheared, scaled or degenerate direction matrix.
    """
    matrix = np.asarray(direction, dtype=np.float64).reshape(3, 3)
    if not np.isfinite(matrix).all() or np.abs(matrix.T @ matrix - np.eye(3)).max() > 1e-4:
        raise ValueError(
            "direction: the axes are not perpendicular unit vectors (a sheared image, as gantry tilt makes); "
            "resample it onto a straight grid first"
        )
