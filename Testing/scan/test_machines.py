"""Default geometries cover what they scan, at one voxel per column, and stay physical."""

from __future__ import annotations

import math

import pytest
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Grid, ParallelBeam, equispaced, geometry_from_dict
from ctdiffusion.scan.machines import KINDS, MACHINES, default_geometry
from hypothesis import given, settings
from hypothesis import strategies as st

ANGLES = equispaced(4)


def corners(grid: Grid) -> list[tuple[float, float, float]]:
    z, y, x = (0.5 * n * s for n, s in zip(grid.shape, grid.spacing, strict=True))
    return [(a * x, b * y, c * z) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(1, 300), st.integers(2, 600), st.integers(2, 600)),
    spacing=st.tuples(*[st.floats(0.2, 5.0)] * 3),
    turn=st.floats(0.0, 6.28),
)
def test_no_corner_is_truncated_and_nothing_warns(kind, shape, spacing, turn):
    grid = Grid(shape, spacing)
    geometry = default_geometry(kind, [turn], grid)
    assert geometry.check(grid) == []
    half_width = 0.5 * geometry.columns * geometry.column_spacing
    for x, y, z in corners(grid):
        s = x * math.cos(turn) + y * math.sin(turn)
        if isinstance(geometry, ParallelBeam):
            u = s
        else:
            depth = geometry.source_to_isocentre - x * math.sin(turn) + y * math.cos(turn)
            assert depth > 0
            u = s / depth * geometry.source_to_detector
            if isinstance(geometry, FanBeam) and geometry.curved:
                u = math.atan2(s, depth) * geometry.source_to_detector
            if isinstance(geometry, ConeBeam):
                assert abs(z) / depth * geometry.source_to_detector <= 0.5 * geometry.rows * geometry.row_spacing
        assert abs(u) <= half_width


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_at_the_isocentre_is_one_voxel(kind):
    geometry = default_geometry(kind, ANGLES, Grid((40, 256, 256), (2.5, 1.4, 1.5)))
    magnification = 1.0
    if not isinstance(geometry, ParallelBeam):
        magnification = geometry.source_to_detector / geometry.source_to_isocentre
    assert geometry.column_spacing / magnification == pytest.approx(1.4)
    if isinstance(geometry, ConeBeam):
        assert geometry.row_spacing / magnification == pytest.approx(2.5)


def test_the_usual_patient_gets_the_machines_own_distances():
    grid = Grid((64, 256, 256), (2.5, 1.40625, 1.40625))
    for kind, distances in (("fan", (570, 1040)), ("fan-curved", (570, 1040)), ("cone", (1000, 1500))):
        geometry = default_geometry(kind, ANGLES, grid)
        assert (geometry.source_to_isocentre, geometry.source_to_detector) == distances
    assert default_geometry("fan-curved", ANGLES, grid).curved and not default_geometry("fan", ANGLES, grid).curved


def test_a_field_wider_than_the_gantry_keeps_the_magnification():
    grid = Grid((4, 512, 512), (2.5, 2.0, 2.0))
    geometry = default_geometry("fan", ANGLES, grid)
    assert geometry.source_to_isocentre > 1000
    assert geometry.source_to_detector / geometry.source_to_isocentre == pytest.approx(1040 / 570)
    assert geometry.check(grid) == []


@pytest.mark.parametrize("kind", ["helix", "", "Fan"])
def test_unknown_kinds_are_named(kind):
    with pytest.raises(ValueError, match="parallel, fan, fan-curved, cone"):
        default_geometry(kind, ANGLES, Grid((1, 8, 8), (1, 1, 1)))


@pytest.mark.parametrize("name", MACHINES)
def test_machines_are_valid_and_documented(name):
    preset = MACHINES[name]
    geometry = preset.geometry(ANGLES)
    assert geometry_from_dict(geometry.to_dict()) == geometry
    assert preset.title and preset.source
    assert isinstance(geometry, ConeBeam) == name.startswith("cbct")
    # The scan field of a diagnostic scanner is about 500 mm, that of a full-fan panel about 250 mm.
    low, high = (125, 135) if name.startswith("cbct") else (245, 255)
    assert low < geometry.fov_radius < high
