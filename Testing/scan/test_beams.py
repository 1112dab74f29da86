"""Geometries check themselves, and their angles, truncation and JSON form are right."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace

import pytest
from ctdiffusion.scan.beams import (
    FULL_TURN,
    ConeBeam,
    FanBeam,
    Grid,
    ParallelBeam,
    equispaced,
    geometry_from_dict,
    limited_angle,
)
from ctdiffusion.scan.viewsets import spread
from hypothesis import given
from hypothesis import strategies as st

PARALLEL = ParallelBeam(equispaced(8, math.pi), 100, 1.0)
FAN = FanBeam(equispaced(8), 500.0, 1000.0, 200, 2.0)
CURVED = replace(FAN, curved=True)
CONE = ConeBeam(equispaced(8), 500.0, 1000.0, 50, 200, 2.5, 2.0)
ALL = (PARALLEL, FAN, CURVED, CONE)
DIVERGENT = (FAN, CURVED, CONE)
GRID = Grid((4, 64, 64), (2.0, 1.0, 1.0))

LENGTH = st.floats(0.01, 5000.0)
ANGLES = st.lists(st.floats(0.0, 6.2), min_size=1, max_size=20, unique_by=lambda a: round(a, 3))


class TestGrid:
    @pytest.mark.parametrize(
        "values, field",
        [
            (((0, 4, 4), (1, 1, 1)), "shape"),
            (((4, 4), (1, 1)), "shape"),
            (((1, 4, 4), (1, 0, 1)), "spacing"),
            (((1, 4, 4), (1, -1, 1)), "spacing"),
            (((1, 4, 4), (1, math.nan, 1)), "spacing"),
            (((1, 4, 4), (1, 1, 1), (0, math.inf, 0)), "centre"),
        ],
    )
    def test_impossible_grids_are_refused(self, values, field):
        with pytest.raises(ValueError, match=field):
            Grid(*values)

    def test_radii(self):
        grid = Grid((2, 30, 40), (5.0, 2.0, 1.0), (3.0, -4.0, 0.0))
        assert grid.field_radius == 20.0
        assert grid.corner_radius == pytest.approx(math.hypot(3 + 20, 4 + 30))

    def test_refinement_keeps_the_extent(self):
        fine = Grid((2, 30, 40), (5.0, 2.0, 1.0), (3.0, 0.0, 0.0)).refined(3)
        assert fine.shape == (2, 90, 120) and fine.spacing == (5.0, 2.0 / 3, 1.0 / 3) and fine.centre == (3.0, 0.0, 0.0)


class TestAngles:
    @given(count=st.integers(1, 500), arc=st.floats(0.01, FULL_TURN), start=st.floats(-10, 10))
    def test_equispaced_leaves_the_end_out(self, count, arc, start):
        angles = equispaced(count, arc, start)
        assert len(angles) == count and angles[0] == start
        assert angles[-1] + arc / count == pytest.approx(start + arc)

    @given(count=st.integers(2, 500), start=st.floats(-10, 10), span=st.floats(0.01, 6.28))
    def test_limited_angle_has_both_ends(self, count, start, span):
        angles = limited_angle(count, start, span)
        assert len(angles) == count and angles[0] == start and angles[-1] == pytest.approx(start + span)

    @pytest.mark.parametrize("count, arc", [(0, 1.0), (-3, 1.0), (4, 0.0), (4, -1.0), (4, math.nan)])
    def test_impossible_arcs(self, count, arc):
        with pytest.raises(ValueError, match=r"views|arc"):
            equispaced(count, arc)

    def test_degrees_given_as_radians_get_a_hint(self):
        with pytest.raises(ValueError, match="degrees given as radians"):
            equispaced(30, 360.0)
        with pytest.raises(ValueError, match="degrees given as radians"):
            limited_angle(30, 0.0, 120.0)
        with pytest.raises(ValueError, match="degrees"):
            replace(PARALLEL, angles=range(0, 180, 10))

    @pytest.mark.parametrize("count, span", [(1, 1.0), (4, 0.0), (4, FULL_TURN), (4, math.nan)])
    def test_impossible_spans(self, count, span):
        with pytest.raises(ValueError, match=r"views|span"):
            limited_angle(count, 0.0, span)

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    @pytest.mark.parametrize(
        "angles, pattern",
        [
            ([], "at least one"),
            ([0.0, math.nan], "finite"),
            ([0.0, math.inf], "finite"),
            ([0.1, 1.0, 0.1], "same angle"),
            ([0.0, FULL_TURN], "same angle"),
            ([-math.pi, math.pi], "same angle"),
        ],
    )
    def test_bad_sets_are_refused(self, beam, angles, pattern):
        with pytest.raises(ValueError, match=pattern):
            replace(beam, angles=angles)

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_any_order_and_one_view_are_fine(self, beam):
        assert replace(beam, angles=[2.0, 0.5, -1.0]).angles == (2.0, 0.5, -1.0)
        assert replace(beam, angles=[0.3]).views == 1

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_subset_takes_views_in_the_order_given(self, beam):
        part = beam.subset([5, 0, 2])
        assert part.angles == (beam.angles[5], beam.angles[0], beam.angles[2])
        assert replace(part, angles=beam.angles) == beam
        with pytest.raises(IndexError):
            beam.subset([8])
        with pytest.raises(ValueError, match="same angle"):
            beam.subset([1, 1])


class TestDistances:
    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    @pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
    def test_lengths_must_be_positive(self, beam, value):
        names = ["columns", "column_spacing"]
        if beam is not PARALLEL:
            names += ["source_to_isocentre", "source_to_detector"]
        if beam is CONE:
            names += ["rows", "row_spacing"]
        for name in names:
            with pytest.raises(ValueError, match=name):
                replace(beam, **{name: value})

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_offsets_must_be_finite(self, beam):
        for name in ("column_offset", *(["row_offset"] if beam is CONE else [])):
            with pytest.raises(ValueError, match=name):
                replace(beam, **{name: math.nan})

    @pytest.mark.parametrize("beam", DIVERGENT, ids=lambda b: b.kind)
    def test_magnification_below_one(self, beam):
        with pytest.raises(ValueError, match="magnification below 1"):
            replace(beam, source_to_detector=499.0)
        replace(beam, source_to_detector=500.0)

    @pytest.mark.parametrize("beam", DIVERGENT, ids=lambda b: b.kind)
    def test_source_inside_the_volume(self, beam):
        assert beam.check(GRID) == []
        with pytest.raises(ValueError, match="source inside the volume"):
            beam.check(Grid((4, 64, 64), (2.0, 12.0, 12.0)))
        with pytest.raises(ValueError, match="source inside the volume"):
            beam.check(replace(GRID, centre=(0.0, 480.0, 0.0)))

    def test_values_do_not_change(self):
        with pytest.raises(FrozenInstanceError):
            FAN.columns = 3
        assert replace(FAN) == FAN and hash(replace(FAN)) == hash(FAN) and FAN != CURVED


class TestDetector:
    @given(columns=st.integers(1, 300), spacing=LENGTH, offset=st.floats(-100, 100))
    def test_column_positions(self, columns, spacing, offset):
        positions = ParallelBeam((0.0,), columns, spacing, offset).column_positions()
        assert len(positions) == columns
        assert sum(positions) / columns == pytest.approx(offset, abs=1e-6 * columns * spacing)
        assert positions[-1] - positions[0] == pytest.approx((columns - 1) * spacing)

    def test_row_positions(self):
        assert ConeBeam((0.0,), 5.0, 9.0, 3, 3, 2.0, 1.0, row_offset=0.5).row_positions() == (-1.5, 0.5, 2.5)

    def test_shapes(self):
        assert PARALLEL.data_shape(7) == (*FAN.data_shape(7)[:2], 100) == (7, 8, 100)
        assert CONE.data_shape(7) == (8, 50, 200)
        assert PARALLEL.is_stack and FAN.is_stack and not CONE.is_stack

    def test_field_of_view(self):
        assert PARALLEL.fov_radius == 50.0
        # The outermost ray leaves the source under atan(200 / 1000), or under 200 / 1000 on an arc.
        assert FAN.fov_radius == pytest.approx(500 * math.sin(math.atan(0.2)))
        assert CURVED.fov_radius == pytest.approx(500 * math.sin(0.2))
        assert CONE.fov_radius == pytest.approx(FAN.fov_radius)
        assert replace(FAN, column_offset=50.0).fov_radius == pytest.approx(500 * math.sin(math.atan(0.15)))


class TestQuestions:
    """What a beam answers itself, so that nobody asks which one it is."""

    @pytest.mark.parametrize(
        "beam, stack, divergent, curved, magnification, pitch",
        [
            (PARALLEL, True, False, False, 1.0, 1.0),
            (FAN, True, True, False, 2.0, 1.0),
            (CURVED, True, True, True, 2.0, 1.0),
            (CONE, False, True, False, 2.0, 1.0),
        ],
        ids=["parallel", "fan", "fan-curved", "cone"],
    )
    def test_kinds(self, beam, stack, divergent, curved, magnification, pitch):
        assert (beam.is_stack, beam.divergent, beam.curved) == (stack, divergent, curved)
        assert (beam.magnification, beam.pitch) == (magnification, pitch)

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_refinement_keeps_the_detector(self, beam):
        beam = replace(beam, column_offset=3.0)
        fine = beam.refined(3)
        assert fine.columns == 3 * beam.columns and fine.angles == beam.angles
        assert fine.fov_radius == pytest.approx(beam.fov_radius)
        # Three finer columns share the centre of the one that they replace.
        assert fine.column_positions()[1::3] == pytest.approx(beam.column_positions())
        if not beam.is_stack:
            assert fine.row_positions()[1::3] == pytest.approx(beam.row_positions())

    @pytest.mark.parametrize("beam", DIVERGENT, ids=lambda b: b.kind)
    def test_a_divergent_turn(self, beam):
        turn = replace(beam, angles=limited_angle(9, 0.3, 2.0)).over_a_turn(30)
        assert turn == replace(beam, angles=equispaced(30, start=0.3)) and turn.views_per_turn == 30

    @pytest.mark.parametrize("views, half", [(30, 15), (31, 16), (29, 14), (1, 1)])
    def test_a_parallel_turn_is_half_of_one(self, views, half):
        turn = replace(PARALLEL, angles=limited_angle(9, 0.3, 2.0)).over_a_turn(views)
        assert turn == replace(PARALLEL, angles=equispaced(half, math.pi, 0.3)) and turn.views_per_turn == 2 * half

    def test_views_on_a_turn(self):
        def views(beam, angles):
            return beam.with_views(angles).views_per_turn

        assert views(FAN, equispaced(30, start=0.3)) == 30
        assert views(PARALLEL, equispaced(30, math.pi)) == 60
        assert views(PARALLEL, equispaced(31)) == 62  # an odd count over a turn has no view twice
        assert views(PARALLEL, equispaced(30)) == 30
        assert views(FAN, equispaced(30, math.pi)) is None
        assert views(FAN, limited_angle(30, 0.0, 4.0)) is None
        assert views(FAN, (*equispaced(30)[:-1], 6.1)) is None
        assert views(CONE, equispaced(12)[::-1]) == 12

    def test_the_central_fan_of_a_cone(self):
        cone = replace(CONE, column_offset=4.0, row_offset=9.0)
        assert cone.central_fan() == replace(FAN, column_offset=4.0)


class TestTruncation:
    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_a_detector_that_is_too_narrow_is_told(self, beam):
        radius = beam.fov_radius
        size = 2 * radius / 64
        assert beam.check(Grid((1, 64, 64), (1.0, size * 0.999, size * 0.999))) == []
        (warning,) = beam.check(Grid((1, 64, 64), (1.0, size * 1.01, size * 1.01)))
        assert warning.startswith(f"truncation: the detector sees a disc of radius {radius:.1f} mm")
        (warning,) = beam.check(Grid((1, 64, 64), (1.0, size * 0.99, size * 0.99), (0.05 * radius, 0.0, 0.0)))
        assert "truncation" in warning

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_a_half_fan_sees_farther_over_a_full_turn(self, beam):
        # Half of the detector's width less the edge stays on the short side.
        offset = 0.4 * 0.5 * beam.columns * beam.column_spacing
        shifted = replace(beam, angles=equispaced(90), column_offset=offset)
        wide = 1.3 * beam.fov_radius
        grid = Grid((1, 64, 64), (1.0, 2 * wide / 64, 2 * wide / 64))
        assert replace(beam, angles=equispaced(90)).check(grid) != []
        assert shifted.check(grid) == []
        assert replace(shifted, angles=equispaced(90, math.pi)).check(grid) != []
        assert replace(shifted, column_offset=3 * offset).check(grid) != []

    def test_a_cone_tells_end_slices_that_are_missing(self):
        # Nearest to the source the beam is 50 * 2.5 / 2 * (500 - 32) / 1000 high.
        reach = 0.5 * 50 * 2.5 * (500 - 32) / 1000
        assert CONE.check(Grid((1, 64, 64), (2 * reach * 0.999, 1.0, 1.0))) == []
        (warning,) = CONE.check(Grid((1, 64, 64), (2 * reach * 1.01, 1.0, 1.0)))
        assert "end slices are truncated" in warning
        assert replace(CONE, row_offset=10.0).check(Grid((1, 64, 64), (2 * reach * 0.9, 1.0, 1.0))) != []


class TestJSON:
    @given(
        angles=ANGLES, columns=st.integers(1, 3000), spacing=LENGTH, near=LENGTH, far=LENGTH, offset=st.floats(-50, 50),
        curved=st.booleans(),
    )  # fmt: skip
    def test_round_trip(self, angles, columns, spacing, near, far, offset, curved):
        for beam in (
            ParallelBeam(angles, columns, spacing, offset),
            FanBeam(angles, near, near + far, columns, spacing, offset, curved),
            ConeBeam(angles, near, near + far, 7, columns, 2.0, spacing, 1.0, offset),
        ):
            assert geometry_from_dict(json.loads(json.dumps(beam.to_dict(), allow_nan=False))) == beam

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    @pytest.mark.parametrize(
        "change, pattern",
        [
            ({"kind": "helix"}, "kind must be one of"),
            ({"kind": None}, "kind must be one of"),
            ({"kind": ["fan"]}, "kind must be one of"),
            ({"pitch": 1.0}, "pitch is not a field"),
            ({"columns": 3.5}, "columns has the wrong type"),
            ({"columns": True}, "columns has the wrong type"),
            ({"columns": "3"}, "columns has the wrong type"),
            ({"column_spacing": None}, "column_spacing has the wrong type"),
            ({"column_spacing": math.nan}, "column_spacing"),
            ({"angles": "0, 1"}, "angles has the wrong type"),
            ({"angles": [0.0, None]}, "angles has the wrong type"),
            ({"angles": [0.0, 90.0, 180.0]}, "degrees"),
            ({"angles": []}, "at least one"),
        ],
    )
    def test_wrong_values_are_refused_by_name(self, beam, change, pattern):
        with pytest.raises(ValueError, match=pattern):
            geometry_from_dict(beam.to_dict() | change)

    @pytest.mark.parametrize("beam", ALL, ids=lambda b: b.kind)
    def test_missing_fields_are_named(self, beam):
        for name in ("angles", "columns", "column_spacing"):
            values = beam.to_dict()
            del values[name]
            with pytest.raises(ValueError, match=name):
                geometry_from_dict(values)
        with pytest.raises(ValueError, match="kind"):
            geometry_from_dict({})

    def test_only_a_fan_is_curved(self):
        with pytest.raises(ValueError, match="curved has the wrong type"):
            geometry_from_dict(FAN.to_dict() | {"curved": 1})
        with pytest.raises(ValueError, match="curved is not a field"):
            geometry_from_dict(CONE.to_dict() | {"curved": True})


@pytest.mark.parametrize("count", [0, 4])
def test_a_few_of_many_views_are_there(count):
    with pytest.raises(ValueError, match=f"views: 1 to 3 of them can be taken, not {count}"):
        spread([0.0, 1.0, 2.0], count)


@pytest.mark.parametrize(
    ("degrees", "count", "expected"),
    [
        (range(0, 360, 10), 4, [0, 90, 180, 270]),
        (range(350, -10, -10), 4, [350, 260, 170, 80]),
        ([*range(0, 360, 4), *range(2, 360, 4)], 6, [0, 60, 120, 180, 240, 300]),
        ([200, 100, 0, 300], 2, [200, 0]),
        ([5], 1, [5]),
        # Two speeds, clusters, a limited arc, an arc in the middle that nobody measured, lost views.
        ([*(k / 4 for k in range(720)), *range(180, 360)], 6, [0, 60, 120, 180, 240, 300]),
        ([c + 0.6 * k for c in range(0, 360, 60) for k in range(6)], 6, [0, 60, 120, 180, 240, 300]),
        (range(180), 6, [0, 30, 60, 90, 120, 150]),
        ([*range(60), *range(200, 260)], 6, [0, 20, 40, 200, 220, 240]),
        ([k for k in range(360) if not 100 <= k < 110], 18, [k if k != 100 else 99 for k in range(0, 360, 20)]),
    ],
)
def test_a_few_of_many_views_are_equally_spaced_in_angle(degrees, count, expected):
    angles = [math.radians(a) for a in degrees]
    assert [round(math.degrees(angles[i])) for i in spread(angles, count)] == expected
