"""Which gaps between views are sampling, and which are missing arcs."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from ctdiffusion.scan.beams import FanBeam, ParallelBeam, equispaced, limited_angle
from ctdiffusion.scan.viewgaps import ViewGaps, unmeasured, whole_turn
from hypothesis import given, settings
from hypothesis import strategies as st

TURN = 2.0 * math.pi


def _missing(degrees: np.ndarray, opposite: float | None = None, period: float = TURN) -> list[float]:
    """Widths in degrees of the gaps that are missing arcs."""
    angles = tuple(np.radians(degrees).tolist())
    found = ViewGaps.between(angles, period)
    return np.degrees(found.gap[unmeasured(found, angles, opposite)]).round(6).tolist()


TWO_SPEEDS = np.r_[np.arange(0, 180, 0.25), np.arange(180, 360, 1.0)]
GATED = np.concatenate([c + 0.6 * np.arange(6) for c in np.arange(0, 360, 20.0)])
SPARSE_CLUSTERS = np.concatenate([c + 0.6 * np.arange(6) for c in np.arange(0, 360, 45.0)])
RANDOM = np.random.default_rng(3).uniform(0, 360, 180)
BURSTS = np.concatenate([np.arange(0, 360, 2.0) + d for d in (0.0, 0.002, 0.004, 0.006)])
ONE_SIDE = np.r_[np.arange(0, 30, 0.1), np.arange(30, 360, 6.0)]
SAMPLINGS = {
    "two speeds": TWO_SPEEDS, "gated": GATED, "sparse clusters": SPARSE_CLUSTERS, "random": RANDOM, "bursts": BURSTS,
    "one side": ONE_SIDE, "five views": np.arange(0, 360, 72.0), "one view": np.array([10.0]),
}  # fmt: skip


@pytest.mark.parametrize("degrees", SAMPLINGS.values(), ids=SAMPLINGS)
def test_a_sampling_of_the_whole_turn_misses_nothing(degrees: np.ndarray) -> None:
    assert _missing(degrees) == [] and _missing(degrees, period=math.pi) == []
    shuffled = np.random.default_rng(0).permutation(degrees)
    assert _missing(shuffled) == []
    assert whole_turn(tuple(np.radians(degrees).tolist())) == (len(degrees) > 2)


def test_two_speeds_over_a_short_scan_miss_the_rest_only() -> None:
    degrees = np.r_[np.arange(0, 100, 0.25), np.arange(100, 211, 1.0)]
    assert _missing(degrees) == [150.0] and _missing(degrees, opposite=0.2) == [150.0]


def test_clusters_over_a_short_scan_miss_the_rest_only() -> None:
    degrees = np.concatenate([c + 0.6 * np.arange(6) for c in np.arange(0, 220, 20.0)])
    assert _missing(degrees) == [157.0]


def test_lost_frames_are_left_to_opposite_views_where_they_saw_the_same_lines() -> None:
    turn = np.delete(np.arange(360.0), np.arange(100, 110))
    assert _missing(turn) == [] and _missing(turn, opposite=0.2) == [11.0]
    # Frames lost on the opposite side as well, within the fan: nothing saw those lines.
    twice = np.delete(turn, np.searchsorted(turn, np.arange(295.0, 299.0)))
    assert _missing(twice, opposite=0.2) == [] and _missing(twice, opposite=0.01) == [11.0, 5.0]
    short = np.delete(np.arange(0, 211.0), np.arange(100, 110))
    assert _missing(short, opposite=0.2) == [150.0]


@pytest.mark.parametrize(("hole", "missing"), [(5.0, False), (20.0, False), (21.0, True), (90.0, True)])
def test_a_hole_in_half_a_turn_is_bridged_up_to_twenty_degrees(hole: float, missing: bool) -> None:
    degrees = np.r_[np.arange(0, 70, 0.5), np.arange(69.5 + hole + 0.5, 180, 0.5)]
    assert _missing(degrees, period=math.pi) == ([hole + 0.5] if missing else [])


def test_whole_turns_are_told_from_partial_ones() -> None:
    assert whole_turn(equispaced(3)) and whole_turn(equispaced(720))
    assert not whole_turn(limited_angle(200, 0.0, math.radians(220)))
    assert not whole_turn(limited_angle(60, 1.0, math.radians(330)))
    assert not whole_turn(equispaced(2))


@pytest.mark.parametrize("degrees", [TWO_SPEEDS, RANDOM, np.delete(np.arange(0, 360, 0.5), np.arange(200, 220))])
def test_an_offset_detector_sees_as_far_whatever_the_spacing_of_a_turn(degrees: np.ndarray) -> None:
    """The field seen fell to a sixth where the views were not equally spaced."""
    angles = tuple(np.radians(degrees).tolist())
    fan = FanBeam(angles, 570.0, 1040.0, 240, 1.2, 100.0)
    assert fan.seen_radius == pytest.approx(570.0 * math.sin(math.atan(244.0 / 1040.0)))
    assert ParallelBeam(angles, 240, 1.0, 80.0).seen_radius == pytest.approx(200.0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0.0, 360.0), min_size=1, max_size=40, unique=True),
    st.sampled_from([math.pi, TURN]),
    st.none() | st.floats(0.0, 1.5),
)
def test_gaps_fill_the_circle(degrees: list[float], period: float, opposite: float | None) -> None:
    angles = np.radians(degrees)
    found = ViewGaps.between(angles, period)
    assert found.gap.sum() == pytest.approx(period) and (found.gap > 0).all()
    off = np.abs(found.position[found.group] - np.mod(angles, period))
    assert np.minimum(off, period - off).max() < 1e-4
    missing = unmeasured(found, angles, opposite)
    assert not (missing & ~found.outstanding).any()


def test_a_hundred_thousand_random_views_take_no_time() -> None:
    random = np.random.default_rng(1)
    angles = np.concatenate([random.uniform(0, TURN, 50_000), random.uniform(0, 0.1, 50_000)])
    start = time.perf_counter()
    unmeasured(ViewGaps.between(angles, TURN), angles, 0.2)
    assert time.perf_counter() - start < 10.0
