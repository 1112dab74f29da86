"""What a reconstruction holds in memory at once. Needs no torch."""

from __future__ import annotations

import math

from .beams import Geometry, Grid

# Float32 arrays of the size of the volume and of the projections, generously.
VOLUMES_HELD = 10
PROJECTIONS_HELD = 8


def held_bytes(grid: Grid, geometry: Geometry) -> int:
    """Bytes of the volumes and projections that a reconstruction holds at once."""
    return 4 * (VOLUMES_HELD * math.prod(grid.shape) + PROJECTIONS_HELD * math.prod(geometry.data_shape(grid.shape[0])))
