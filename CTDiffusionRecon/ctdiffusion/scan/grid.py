"""The voxel grid of a reconstruction, in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Grid:
    """A voxel grid centred on the isocentre.

    Attributes:
        shape: (slices, rows, columns).
        spacing: voxel size in mm, (slice, row, column).
        centre: world position in mm of the grid's centre, (x, y, z); (0, 0, 0) puts it on the isocentre.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(n < 1 for n in self.shape):
            raise ValueError(f"grid shape must be three positive counts (slices, rows, columns), got {self.shape}")
        if len(self.spacing) != 3 or not all(math.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(f"grid spacing must be three positive lengths in mm, got {self.spacing}")
        if len(self.centre) != 3 or not all(math.isfinite(c) for c in self.centre):
            raise ValueError(f"grid centre must be three finite lengths in mm, got {self.centre}")

    @property
    def field_radius(self) -> float:
        """Radius in mm of the largest disc inside the slice (the scan field of view of a square slice)."""
        return 0.5 * min(self.shape[1] * self.spacing[1], self.shape[2] * self.spacing[2])

    @property
    def in_plane_spacing(self) -> float:
        """Pixel size in mm; the geometric mean where pixels are not square."""
        return math.sqrt(self.spacing[1] * self.spacing[2])

    @property
    def corner_radius(self) -> float:
        """Distance in mm from the rotation axis to the farthest corner of the slice."""
        x = abs(self.centre[0]) + 0.5 * self.shape[2] * self.spacing[2]
        y = abs(self.centre[1]) + 0.5 * self.shape[1] * self.spacing[1]
        return math.hypot(x, y)

    def refined(self, factor: int) -> Grid:
        """The same extent with `factor` times finer rows and columns."""
        slices, rows, columns = self.shape
        dz, dy, dx = self.spacing
        return replace(self, shape=(slices, rows * factor, columns * factor), spacing=(dz, dy / factor, dx / factor))
