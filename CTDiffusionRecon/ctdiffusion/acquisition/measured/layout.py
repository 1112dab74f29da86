"""From a described scan to the engine's geometry and the grid to reconstruct on."""

from __future__ import annotations

import math

from ...scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam
from .description import Beam, Description

# Filtering an offset detector takes one that reaches as far on the other side: nobody's is this many widths off.
FARTHEST_OFF = 4.0


def geometry_of(beam: Beam, angles: list[float], shape: tuple[int, ...], pitch: float) -> Geometry:
    """Where source and detector are.

    Args:
        beam: as described.
        angles: of the engine, in radians.
        shape: of the data, `[view, slice or row, column]`.
        pitch: of the columns in mm.

    Raises:
        ValueError: a detector far off the axis, or lengths that no geometry has.
    """
    columns = shape[2]
    offset = beam.column_offset
    if beam.rotation_centre_column is not None:
        offset = ((columns - 1) / 2 - beam.rotation_centre_column) * pitch
    if abs(offset) > FARTHEST_OFF * columns * pitch:
        raise ValueError(
            f"geometry: the detector is {columns * pitch:.4g} mm wide and lies {abs(offset):.4g} mm off the axis "
            "(column_offset_mm, rotation_centre_column)"
        )
    if beam.reversed_columns:
        offset = -offset
    if beam.kind == "parallel":
        return ParallelBeam(tuple(angles), columns, pitch, offset)
    assert beam.source_to_isocentre is not None and beam.source_to_detector is not None
    distances = (beam.source_to_isocentre, beam.source_to_detector)
    if beam.kind == "cone":
        row_offset = -beam.row_offset if beam.reversed_rows else beam.row_offset
        return ConeBeam(
            tuple(angles), *distances, shape[1], columns, beam.row_spacing or pitch, pitch, row_offset, offset
        )
    return FanBeam(tuple(angles), *distances, columns, pitch, offset, curved=beam.kind == "fan-curved")


def grid_of(description: Description, geometry: Geometry, rows: int, row_spacing: float) -> Grid:
    """The grid that the file asks for, else one voxel per column at the isocentre, as wide as the views see together.

    Args:
        description: as read.
        geometry: where source and detector are.
        rows: slices of a stack, rows of a cone's detector.
        row_spacing: in mm, at the detector.

    Raises:
        ValueError: a detector that does not see the rotation axis.
    """
    voxel = geometry.column_spacing / geometry.magnification
    # The rows of a stack are slices, not shadows.
    height = row_spacing if geometry.is_stack else row_spacing / geometry.magnification
    if geometry.is_stack and description.beam.row_spacing is None:
        height = voxel
    shape, spacing = description.grid_shape, description.grid_spacing
    if shape is None:
        if not geometry.seen_radius > 0.0:
            raise ValueError(
                f"geometry: the rotation axis is not on the detector, whose {geometry.columns} columns are "
                f"{geometry.columns * geometry.column_spacing:.4g} mm wide and lie {geometry.column_offset:.4g} mm off"
            )
        side = max(1, math.floor(2.0 * geometry.seen_radius / (spacing[1] if spacing else voxel)))
        shape = (rows, side, side)
    if geometry.is_stack and shape[0] != rows:
        shape = (rows, *shape[1:])
    return Grid(shape, spacing or (height, voxel, voxel))
