"""Projections against exact line integrals in mm."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam, equispaced
from operators.phantoms import disc, lines, relative_error, shepp_logan, smooth

GRID = Grid((1, 256, 256), (1.5, 1.2, 1.2))
ANGLES = equispaced(24, start=0.05)
SCANS = {
    "parallel": ParallelBeam(ANGLES, 363, 1.2),
    "fan": FanBeam(ANGLES, 570.0, 1040.0, 420, 2.1),
    "fan-curved": FanBeam(ANGLES, 570.0, 1040.0, 420, 2.1, curved=True),
}
every_scan = pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
CONE_GRID = Grid((80, 80, 80), (0.96, 0.96, 0.96))
CONE = ConeBeam(equispaced(12, start=0.05), 250.0, 420.0, 100, 104, 1.7, 1.7)


def _error(scan: Geometry, grid: Grid, radius: float) -> float:
    flat = scan.is_stack
    phantom = smooth(radius, flat)
    return relative_error(make_operator(scan, grid).forward(phantom.volume(grid)), phantom.integrals(scan))


@every_scan
def test_smooth(scan: Geometry) -> None:
    assert _error(scan, GRID, GRID.field_radius) <= 5e-4


@every_scan
def test_detector_offset(scan: ParallelBeam | FanBeam) -> None:
    assert _error(replace(scan, column_offset=17.3), GRID, GRID.field_radius) <= 5e-4


@every_scan
def test_grid_off_the_isocentre(scan: Geometry) -> None:
    assert _error(scan, replace(GRID, centre=(11.0, -7.0, 0.0)), GRID.field_radius) <= 5e-4


@every_scan
def test_pixels_that_are_not_square(scan: Geometry) -> None:
    grid = Grid((1, 320, 240), (1.0, 0.9, 1.3))
    assert _error(scan, grid, grid.field_radius) <= 5e-4


@every_scan
def test_shepp_logan(scan: Geometry) -> None:
    phantom = shepp_logan(GRID.field_radius)
    projected = make_operator(scan, GRID).forward(phantom.volume(GRID))
    assert relative_error(projected, phantom.integrals(scan)) <= 2e-2


@every_scan
def test_a_wrong_sense_would_be_seen(scan: Geometry) -> None:
    """The phantom is asymmetric enough that the bounds above exclude flips and shifts of half a pixel."""
    phantom = smooth(GRID.field_radius)
    truth = phantom.integrals(scan)
    mirrored = make_operator(replace(scan, angles=tuple(-a for a in scan.angles)), GRID)
    assert relative_error(mirrored.forward(phantom.volume(GRID)), truth) > 0.1
    shifted = make_operator(replace(scan, column_offset=0.5 * scan.column_spacing), GRID)
    assert relative_error(shifted.forward(phantom.volume(GRID)), truth) > 5e-3


@pytest.mark.parametrize(
    "scan, grid",
    [
        (CONE, CONE_GRID),
        (replace(CONE, column_offset=5.1, row_offset=-4.3), CONE_GRID),
        (CONE, replace(CONE_GRID, centre=(4.0, -5.0, 6.0))),
        (CONE, Grid((76, 70, 90), (1.05, 1.1, 0.85))),
    ],
    ids=["centred", "detector offset", "grid off the isocentre", "unequal voxels"],
)
def test_cone(scan: ConeBeam, grid: Grid) -> None:
    assert _error(scan, grid, 36.0) <= 3e-3


def test_cone_without_numba() -> None:
    phantom, scan = smooth(36.0, flat=False), CONE.subset([1, 5])
    projected = make_operator(scan, CONE_GRID, backend="torch").forward(phantom.volume(CONE_GRID))
    assert relative_error(projected, phantom.integrals(scan)) <= 3e-3


def test_line_integrals_are_in_millimetres() -> None:
    """Straight through a uniform disc of radius 50 mm: 100 mm times its attenuation."""
    phantom = disc(0.0193, 50.0, 10.0, -5.0)
    for scan in SCANS.values():
        one_view = replace(scan, angles=(0.3,))
        projected = make_operator(one_view, GRID).forward(phantom.volume(GRID))
        assert float(projected.max()) == pytest.approx(100.0 * 0.0193, rel=3e-3)


def test_axes_are_those_of_the_patient() -> None:
    """Tube anterior (theta = 0): the patient's left falls on positive u, and what is anterior is magnified more."""
    grid = Grid((1, 65, 65), (1.0, 1.0, 1.0))
    left = torch.zeros(1, 65, 65)
    left[0, 32, 32 + 10] = 1.0
    parallel = make_operator(ParallelBeam((0.0, math.pi / 2), 65, 1.0), grid).forward(left)[0]
    assert int(parallel[0].argmax()) == 32 + 10 and int(parallel[1].argmax()) == 32
    posterior = torch.zeros(1, 65, 65)
    posterior[0, 32 + 10, 32] = 1.0
    parallel = make_operator(ParallelBeam((0.0, math.pi / 2), 65, 1.0), grid).forward(posterior)[0]
    assert int(parallel[0].argmax()) == 32 and int(parallel[1].argmax()) == 32 + 10
    fan = make_operator(FanBeam((0.0,), 100.0, 200.0, 201, 1.0), grid)
    anterior = torch.zeros(1, 65, 65)
    anterior[0, 32 - 20, 42] = 1.0
    posterior = torch.zeros(1, 65, 65)
    posterior[0, 32 + 20, 42] = 1.0
    # Magnification 200 / 80 and 200 / 120.
    assert int(fan.forward(anterior)[0, 0].argmax()) == 100 + 25
    assert int(fan.forward(posterior)[0, 0].argmax()) == pytest.approx(100 + 10 * 200 / 120, abs=1)


@pytest.mark.parametrize("scan", [*SCANS.values(), CONE], ids=[*SCANS, "cone"])
def test_turning_object_and_scan_together(scan: Geometry) -> None:
    """A quarter turn maps the grid on itself, so the projections must be the same numbers."""
    grid = CONE_GRID if isinstance(scan, ConeBeam) else GRID
    few = scan.subset([0, 3, 7])
    turned = replace(few, angles=tuple(a + math.pi / 2 for a in few.angles))
    x = smooth(0.9 * grid.field_radius, scan.is_stack).volume(grid)
    projected = make_operator(few, grid).forward(x)
    again = make_operator(turned, grid).forward(torch.rot90(x, -1, (1, 2)).contiguous())
    assert relative_error(again, projected) < 1e-5


@pytest.mark.parametrize("scan", [*SCANS.values(), CONE], ids=[*SCANS, "cone"])
def test_moving_grid_and_content_apart(scan: Geometry) -> None:
    """Moving the grid by whole voxels and the content back inside it leaves the object where it was."""
    grid = CONE_GRID if isinstance(scan, ConeBeam) else GRID
    few = scan.subset([0, 3, 7])
    x = smooth(0.6 * grid.field_radius, scan.is_stack).volume(grid)
    x[x < 1e-4 * x.max()] = 0.0
    dz, dy, dx = grid.spacing
    moved = replace(grid, centre=(5 * dx, -4 * dy, 2 * dz))
    shifts = (-2, 4, -5) if isinstance(scan, ConeBeam) else (0, 4, -5)
    again = make_operator(few, moved).forward(torch.roll(x, shifts, (0, 1, 2)))
    assert relative_error(again, make_operator(few, grid).forward(x)) < 1e-5


def test_reference_lines_pass_where_they_should() -> None:
    """The phantoms' rays are themselves checked: every fan ray starts at the source, every direction is a unit."""
    for scan in (*SCANS.values(), CONE):
        points, directions = lines(scan)
        assert abs((directions**2).sum(-1) - 1).max() < 1e-12
        assert points.shape[:-1] == scan.data_shape(1)[0 if not scan.is_stack else 1 :]
