"""Does the geometry fit the data? A wrong rotation centre or sense leaves a residual that no object can explain.

A small reconstruction (CGLS on a coarse grid, few views) is made with the geometry as given, with the detector shifted,
and with the columns reversed, which for a divergent beam is the other sense of rotation. The geometry with the smallest
residual ||A x - y|| / ||y|| is the likely one; compare Donath et al. 2006, doi:10.1364/JOSAA.23.001048. A parallel beam
cannot tell the sense of rotation: the other one gives the mirror image with the same residual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...operators.factory import make_operator
from ...scan.beams import FanBeam, Grid, ParallelBeam
from ...scan.projections import Projections
from ...solvers.cgls import cgls

MOST_VIEWS, MOST_COLUMNS, SIDE, ITERATIONS = 60, 320, 128, 10
# Shifts that are tried, in shares of the detector's width: twice as fine around the best, again and again.
FIRST_STEP, STEPS_EACH_WAY, HALVINGS = 0.008, 3, 3
# The window is moved while its edge is best, up to this share of the width.
FARTHEST = 0.25
# What is reported: a centre off by half a column or more that explains the data better by this share.
WRONG_CENTRE_COLUMNS, CLEARLY_BETTER = 0.4, 0.9
WRONG_SENSE_BETTER = 0.8


@dataclass(frozen=True)
class Consistency:
    """What the residuals say.

    Attributes:
        residual: relative residual with the geometry as given.
        reversed_residual: with the columns reversed; None for a parallel beam.
        centre_shift: how far the column offset should move, in columns of the detector.
        shifted_residual: relative residual after that shift.
        warnings: sentences for the user; empty where the geometry fits.
    """

    residual: float
    reversed_residual: float | None
    centre_shift: float
    shifted_residual: float
    warnings: tuple[str, ...]


def check_consistency(projections: Projections) -> Consistency:
    """Test the rotation centre and the sense of rotation of measured projections by the residual.

    Takes some seconds on a CPU. Of a stack the slice with most signal is used, of a cone beam its central row.
    """
    data, beam = _thinned(projections)
    grid = _coarse_grid(beam)
    residual = _residual(data, beam, grid)
    reversed_residual = None
    warnings = []
    shift, shifted = _best_shift(data, beam, grid, residual)
    columns = shift / projections.geometry.column_spacing
    if beam.divergent:
        reversed_residual = _residual(data.flip(-1), replace(beam, column_offset=-beam.column_offset), grid)
        if reversed_residual < WRONG_SENSE_BETTER * min(residual, shifted):
            warnings.append(
                f"the rotation sense looks wrong: residual {residual:.3g} as given, {reversed_residual:.3g} with the "
                "columns reversed (or the angles negated)"
            )
    if not warnings and abs(columns) >= WRONG_CENTRE_COLUMNS and shifted < CLEARLY_BETTER * residual:
        warnings.append(
            f"the rotation centre looks wrong by {abs(columns):.1f} columns: residual {residual:.3g} as given, "
            f"{shifted:.3g} with column_offset_mm changed by {shift:+.3g} or rotation_centre_column by {-columns:+.1f} "
            "(the other way round where reversed_columns is set)"
        )
    return Consistency(residual, reversed_residual, columns, shifted, tuple(warnings))


def _thinned(projections: Projections) -> tuple[Tensor, ParallelBeam | FanBeam]:
    """One slice `[1, view, column]` with few views and binned columns, and the geometry that belongs to it."""
    beam, data = projections.geometry, projections.data.cpu()
    if beam.is_stack:
        data = data[int(data.square().sum((1, 2)).argmax())][None]
    else:
        heights = torch.tensor(beam.row_positions())
        data = data[:, int(heights.abs().argmin())][None]
        beam = beam.central_fan()
    every = -(-beam.views // MOST_VIEWS)
    kept = list(range(0, beam.views, every))
    width = -(-beam.columns // MOST_COLUMNS)
    columns = beam.columns // width
    lost = beam.columns - columns * width
    binned = data[:, kept, : columns * width].unflatten(-1, (columns, width)).mean(-1)  # type: ignore[no-untyped-call]
    return binned, replace(
        beam,
        angles=tuple(beam.angles[k] for k in kept),
        columns=columns,
        column_spacing=beam.column_spacing * width,
        column_offset=beam.column_offset - 0.5 * lost * beam.column_spacing,
    )


def _coarse_grid(beam: ParallelBeam | FanBeam) -> Grid:
    """Wider than the field of view, so that what stands outside has somewhere to go."""
    reach = 0.5 * beam.columns * beam.column_spacing + abs(beam.column_offset)
    if beam.divergent:
        reach *= beam.source_to_isocentre / beam.source_to_detector
        reach = min(reach, 0.6 * beam.source_to_isocentre)
    side = 2.0 * reach / SIDE
    return Grid((1, SIDE, SIDE), (side, side, side))


def _best_shift(data: Tensor, beam: ParallelBeam | FanBeam, grid: Grid, start: float) -> tuple[float, float]:
    """The change of the column offset in mm with the smallest residual, and that residual."""
    width = beam.columns * beam.column_spacing
    step = FIRST_STEP * width
    residuals = {0.0: start}

    def look(centre: float, step: float, reach: int) -> float:
        for shift in [centre + k * step for k in range(-reach, reach + 1)]:
            if shift not in residuals:
                moved = replace(beam, column_offset=beam.column_offset + shift)
                residuals[shift] = _residual(data, moved, grid)
        return min(residuals, key=lambda shift: residuals[shift])

    best = look(0.0, step, STEPS_EACH_WAY)
    while best in (min(residuals), max(residuals)) and abs(best) < FARTHEST * width:
        best = look(best, step, 1)
    for halving in range(1, HALVINGS + 1):
        best = look(best, 0.5**halving * step, 1)
    return best, residuals[best]


def _residual(data: Tensor, beam: ParallelBeam | FanBeam, grid: Grid) -> float:
    """||A x - y|| / ||y|| after a few steps of CGLS from zero."""
    size = float(data.norm())
    if size == 0.0:
        return 0.0
    operator = make_operator(beam, grid)
    image = cgls(operator, data, torch.zeros(grid.shape), ITERATIONS)
    return float((operator.forward(image) - data).norm()) / size
