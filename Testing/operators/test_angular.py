"""Weights of views and rays in filtered back-projection."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from ctdiffusion.operators.angular import Aperture, coverage, missing_directions, ray_weights, share
from ctdiffusion.scan.beams import FanBeam, ParallelBeam, equispaced, limited_angle
from hypothesis import given, settings
from hypothesis import strategies as st


def _within(*arcs: tuple[float, float]) -> tuple[float, ...]:
    """Views every half degree over arcs in degrees."""
    return tuple(math.radians(a) for low, high in arcs for a in np.arange(low, high + 0.25, 0.5))


ARCS = ((27.0, 165.0), (195.0, 254.0), (279.0, 334.0))
# The views of a real scan (HTC 2022).
GAPPED = _within((27.0, 165.0), (184.0, 254.0), (269.0, 334.0))


def test_equal_views_stand_for_equal_angles() -> None:
    covered = coverage(equispaced(37))
    assert covered.steps == pytest.approx(2 * math.pi / 37)
    assert covered.arcs == ()


def test_order_of_the_views_does_not_matter() -> None:
    angles = np.asarray(limited_angle(20, 0.3, 2.0))
    shuffled = np.random.default_rng(0).permutation(20)
    assert coverage(tuple(angles[shuffled])).steps == pytest.approx(coverage(tuple(angles)).steps[shuffled])


def test_uneven_views_stand_for_what_lies_around_them() -> None:
    covered = coverage((0.0, 0.5, 1.5, 2.0, 3.0, 4.0, 5.0, 5.5))
    assert covered.steps.sum() == pytest.approx(2 * math.pi)
    assert covered.steps[1] == pytest.approx(0.75) and covered.steps[2] == pytest.approx(0.75)


def test_missing_arc_is_not_filled() -> None:
    covered = coverage(limited_angle(61, 0.2, math.radians(60)))
    assert covered.steps == pytest.approx(math.radians(1.0))
    assert covered.arcs == (pytest.approx((0.2 - math.radians(0.5), math.radians(61))),)


def test_several_missing_arcs() -> None:
    covered = coverage(_within(*ARCS))
    found = sorted(tuple(math.degrees(a) for a in arc) for arc in covered.arcs)
    expected = [(low - 0.25, high - low + 0.5) for low, high in ARCS]
    for arc, wanted in zip(found, expected, strict=True):
        assert arc == pytest.approx(wanted)
    assert covered.steps == pytest.approx(math.radians(0.5))


def test_a_gap_that_opposite_views_cover_is_left_to_them_and_one_that_none_covers_is_bridged() -> None:
    covered = coverage(GAPPED, opposite=0.1)
    found = sorted(tuple(math.degrees(a) for a in arc) for arc in covered.arcs)
    # 254 to 269 degrees lies opposite 74 to 89, 165 to 184 opposite the widest gap.
    assert found[0] == pytest.approx((26.75, 227.5)) and found[1] == pytest.approx((268.75, 65.5))
    assert np.degrees(covered.steps).sum() == pytest.approx(227.5 + 65.5)
    assert np.degrees(covered.steps).max() == pytest.approx(0.25 + 9.5)


def test_missing_arc_across_zero() -> None:
    covered = coverage(tuple(math.radians(a) for a in [*range(0, 61), *range(269, 330)]))
    assert len(covered.arcs) == 2
    assert covered.steps.sum() == pytest.approx(math.radians(122), rel=1e-6)


@pytest.mark.parametrize(
    ("arc", "missing"), [((0.0, 100.0), 80.0), ((250.0, 100.0), 80.0), ((0.0, 150.0), 30.0), ((30.0, 200.0), 0.0)]
)
def test_directions_that_no_view_has(arc: tuple[float, float], missing: float) -> None:
    angles = limited_angle(101, *(math.radians(a) for a in arc))
    step = arc[1] / 100
    found = math.degrees(missing_directions(ParallelBeam(angles, 9, 1.0)))
    assert found == pytest.approx(max(0.0, missing - step), abs=1e-6)


@pytest.mark.parametrize("views", [5, 8, 30, 31])
@pytest.mark.parametrize("turn", [math.pi, 2 * math.pi])
def test_few_views_leave_no_direction_out(views: int, turn: float) -> None:
    assert missing_directions(FanBeam(equispaced(views, turn), 100.0, 200.0, 9, 1.0)) == 0.0


def test_the_same_hundred_degrees_from_both_sides_leave_the_others_out() -> None:
    arc = np.arange(0.0, 100.5, 2.0)
    angles = tuple(np.radians([*arc, *(arc + 180.0)]).tolist())
    assert math.degrees(missing_directions(FanBeam(angles, 100.0, 200.0, 9, 1.0))) == pytest.approx(78.0)


def test_opposite_parallel_views_share_their_lines() -> None:
    weights = ray_weights(ParallelBeam(equispaced(40), 9, 1.0))
    assert weights == pytest.approx(math.pi / 40)
    weights = ray_weights(ParallelBeam(equispaced(40, math.pi), 9, 1.0))
    assert weights == pytest.approx(math.pi / 40)
    # 200 degrees: what was measured twice counts half.
    angles = equispaced(200, math.radians(200))
    weights = ray_weights(ParallelBeam(angles, 9, 1.0))
    assert weights[50:150] == pytest.approx(math.radians(1.0))
    assert weights[5:15] == pytest.approx(math.radians(0.5)) and weights[-15:-5] == pytest.approx(math.radians(0.5))
    assert weights[:, 0].sum() == pytest.approx(math.pi)


def test_full_fan_counts_every_line_half() -> None:
    assert ray_weights(FanBeam(equispaced(36), 500.0, 900.0, 50, 2.0)) == pytest.approx(math.pi / 36)


SCANS = {
    "short": limited_angle(220, 0.4, math.pi + 2 * 0.3),
    "over": limited_angle(260, 1.0, math.radians(260)),
    "limited": limited_angle(90, 0.0, math.radians(90)),
    "gaps": GAPPED,
    "full": equispaced(360),
}


@pytest.mark.parametrize("angles", SCANS.values(), ids=SCANS)
@settings(max_examples=50, deadline=None)
@given(where=st.floats(0.0, 1.0), gamma=st.floats(-0.25, 0.25))
def test_shares_of_a_line_sum_to_one(angles: tuple[float, ...], where: float, gamma: float) -> None:
    covered, aperture = coverage(angles), Aperture(-0.25, 0.25)
    beta = np.array(angles[int(where * (len(angles) - 1))])
    fan = np.array(gamma)
    own = float(share(covered, aperture, beta, fan))
    opposite = beta + math.pi - 2 * fan
    measured_twice = float(covered.confidence(opposite)) > 0.0
    other = float(share(covered, aperture, opposite, -fan)) if measured_twice else 0.0
    assert own + other == pytest.approx(1.0)
    assert 0.0 <= own <= 1.0


def test_shares_are_smooth_where_an_arc_ends() -> None:
    """A step in the weights along the detector would streak after the ramp filter."""
    geometry = FanBeam(SCANS["short"], 500.0, 900.0, 300, 1.8)
    weights = ray_weights(geometry) / coverage(geometry.angles).steps[:, None]
    inner = weights[8:-8]
    assert np.abs(np.diff(inner, axis=1)).max() < 0.1
    assert weights.min() < 0.02 and weights.max() > 0.98


def test_half_fan_is_wang_s_weighting() -> None:
    aperture = Aperture(-0.05, 0.3)
    gamma = np.linspace(-0.0499, 0.0499, 41)
    own = share(coverage(equispaced(90)), aperture, np.zeros(41), gamma)
    assert own == pytest.approx(0.5 * (np.sin(math.pi * gamma / 0.1) + 1.0))
    assert share(coverage(equispaced(90)), aperture, np.zeros(1), np.array([0.2])) == pytest.approx(1.0)


def test_quarter_offset_leaves_the_weights_alone() -> None:
    centred = FanBeam(equispaced(90), 500.0, 900.0, 100, 2.0)
    weights = ray_weights(replace(centred, column_offset=0.5))
    assert weights[:, 5:-5] == pytest.approx(math.pi / 90)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_very_few_views(views: int) -> None:
    weights = ray_weights(FanBeam(equispaced(views, 1.0), 500.0, 900.0, 20, 2.0))
    assert np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0


@pytest.mark.parametrize("offset", [2.0, 4.0, 6.0, 7.0])
def test_lines_seen_from_one_side_of_a_parallel_turn_count_whole(offset: float) -> None:
    """They had half their weight where the detector was off by less than a twentieth of its width."""
    weights = ray_weights(ParallelBeam(equispaced(90), 100, 1.0, offset))
    step = 2.0 * math.pi / 90
    assert weights[:, -int(offset) :] == pytest.approx(step)
    assert weights[:, 40:50] == pytest.approx(0.5 * step, rel=0.15)


def test_a_quarter_offset_of_a_parallel_turn_leaves_the_weights_alone() -> None:
    weights = ray_weights(ParallelBeam(equispaced(90), 100, 1.0, 0.25))
    assert weights == pytest.approx(math.pi / 90)
