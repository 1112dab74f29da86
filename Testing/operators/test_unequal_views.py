"""Water keeps its HU whatever the spacing of the views, in every beam, and nothing that was right got worse.

Bounds in HU inside a water disc of 80 mm. "Before" in a comment is what one threshold for the whole circle gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from ctdiffusion.operators.fbp import fbp
from ctdiffusion.operators.fdk import fdk
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam
from operators.phantoms import Ellipses, axes, disc

MU = 0.0193
GRID = Grid((1, 67, 67), (3.0, 3.0, 3.0))
Views = tuple[float, ...]

BEAMS: dict[str, Callable[[Views], Geometry]] = {
    "parallel": lambda a: ParallelBeam(a, 160, 1.5),
    "fan": lambda a: FanBeam(a, 570.0, 1040.0, 200, 2.4),
    "curved": lambda a: FanBeam(a, 570.0, 1040.0, 200, 2.4, curved=True),
    "half-fan": lambda a: FanBeam(a, 570.0, 1040.0, 120, 2.4, 100.0),
    "cone": lambda a: ConeBeam(a, 570.0, 1040.0, 3, 200, 2.4, 2.4),
}


def lost(turn: np.ndarray, first: int, count: int) -> np.ndarray:
    return np.delete(turn, np.arange(first, first + count))


def clusters(every: float, turn: float = 360.0) -> np.ndarray:
    return np.concatenate([c + 0.6 * np.arange(6) for c in np.arange(0, turn, every)])


RANDOM = np.random.default_rng(5)
TURN = np.arange(0.0, 360.0)
TURNS = {
    "equal": TURN,
    "two speeds": np.r_[np.arange(0, 180, 0.25), np.arange(180, 360, 1.0)],
    "two speeds, unsorted": RANDOM.permutation(np.r_[np.arange(0, 180, 0.25), np.arange(180, 360, 1.0)]),
    "gated": clusters(20.0),
    "gated, odd": clusters(24.0),
    "gated, irregular": np.concatenate([22.5 * k + RANDOM.uniform(-4, 4) + 0.6 * np.arange(5) for k in range(16)]),
    "random": RANDOM.uniform(0, 360, 180),
    "random, fewer": RANDOM.uniform(0, 360, 60),
    "golden": (np.arange(180) * 111.246) % 360.0,
    "near duplicates": np.r_[TURN, TURN[::3] + 5e-4],
    "ten lost": lost(TURN, 100, 10),
    "ten lost, thrice": np.delete(TURN, np.r_[20:30, 130:140, 250:260]),
    "dense on one side": np.r_[np.arange(0, 30, 0.1), np.arange(30, 360, 6.0)],
}  # fmt: skip


def image(beam: Geometry, phantom: Ellipses) -> torch.Tensor:
    if isinstance(beam, ConeBeam):
        fan = FanBeam(beam.angles, beam.source_to_isocentre, beam.source_to_detector, beam.columns, beam.column_spacing)
        data = phantom.integrals(fan)[0][:, None].expand(-1, beam.rows, -1).contiguous()
        return fdk(data, beam, GRID)[0]
    return fbp(phantom.integrals(beam), beam, GRID)[0]


def water(name: str, degrees: np.ndarray) -> tuple[float, float]:
    """Root mean square error and bias in HU inside a disc of water about the isocentre."""
    _, y, x = axes(GRID)
    inside = torch.from_numpy(x[None, :] ** 2 + y[:, None] ** 2 < 74.0**2)
    beam = BEAMS[name](tuple(np.radians(degrees).tolist()))
    error = (image(beam, disc(MU, 80.0))[inside].double() / MU - 1.0) * 1000.0
    return float(error.square().mean().sqrt()), float(error.mean())


@pytest.mark.parametrize("beam", ["parallel", "fan", "curved", "cone"])
@pytest.mark.parametrize("views", TURNS)
def test_water_is_water_in_a_turn_of_any_spacing(views: str, beam: str) -> None:
    """Before, fan: two speeds 557, gated 688, odd 740, random 109, dense on one side 810; parallel alike."""
    error, bias = water(beam, TURNS[views])
    assert error < 2.0 and abs(bias) < 1.5


HALF_FAN = {
    "equal": 1.0, "two speeds": 1.0, "gated": 25.0, "random": 15.0, "ten lost": 6.0, "ten lost, thrice": 10.0,
    "near duplicates": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(("views", "bound"), HALF_FAN.items())
def test_water_seen_by_half_a_fan(views: str, bound: float) -> None:
    """Before: two speeds 927, gated 894, random 640, ten lost 207 with a bias of -15, thrice 341."""
    error, bias = water("half-fan", TURNS[views])
    assert error < bound and abs(bias) < 1.0


HALVES = {
    "equal": np.arange(0, 180, 0.5),
    "two speeds": np.r_[np.arange(0, 90, 0.25), np.arange(90, 180, 1.0)],
    "ten lost": lost(np.arange(0, 180, 0.5), 100, 10),
    "twenty degrees lost": lost(np.arange(0, 180, 0.5), 100, 40),
    "gated": clusters(20.0, 180.0),
    "random": RANDOM.uniform(0, 180, 180),
}


@pytest.mark.parametrize("views", HALVES)
def test_water_in_half_a_turn_of_parallel_views(views: str) -> None:
    """Before: ten lost -28, twenty degrees lost -111, gated -820, random about -100."""
    error, bias = water("parallel", HALVES[views])
    assert error < 2.0 and abs(bias) < 1.5


SHORT = {
    "equal": np.linspace(0, 215, 216),
    "two speeds": np.r_[np.arange(0, 100, 0.25), np.arange(100, 215.5, 1.0)],
    "ten lost": lost(np.arange(0, 220, 0.5), 200, 10),
    "random": np.r_[0.0, RANDOM.uniform(0, 215, 180), 215.0],
    "over": np.linspace(0, 260, 261),
    "over, ten lost": lost(np.arange(0, 260.0), 120, 10),
}


@pytest.mark.parametrize("beam", ["fan", "curved", "cone"])
@pytest.mark.parametrize("views", SHORT)
def test_water_in_a_short_scan(views: str, beam: str) -> None:
    """Before, fan: two speeds 290, ten lost 28, random 138; equal and over 0.3."""
    error, bias = water(beam, SHORT[views])
    assert error < 2.0 and abs(bias) < 1.5


def test_a_real_gap_of_a_full_fan_turn_is_left_to_the_opposite_views() -> None:
    """Bridging it would streak: 38, 56 and 103 HU of error in a structured object, against 31 without a gap."""
    phantom = Ellipses(
        ((MU, 85, 60, 4, -3, 20), (0.2 * MU, 12, 12, 30, 10, 0), (-0.9 * MU, 10, 14, -30, -8, 30))
    )  # fmt: skip
    truth = phantom.volume(GRID)[0]

    def error(degrees: np.ndarray) -> float:
        beam = BEAMS["fan"](tuple(np.radians(degrees).tolist()))
        return 1000.0 * float((image(beam, phantom) - truth).double().square().mean().sqrt()) / MU

    whole = error(TURN)
    for count in (10, 20, 40):
        assert error(lost(TURN, 100, count)) < 1.05 * whole


@pytest.mark.parametrize("arc", [120.0, 150.0])
def test_a_limited_angle_is_still_not_filled(arc: float) -> None:
    views = np.linspace(0, arc, int(arc) + 1)
    for beam in ("parallel", "fan"):
        assert water(beam, views)[1] == pytest.approx(-1000.0 * (179.0 - arc) / 180.0, abs=5.0)
    assert math.isfinite(water("cone", views)[0])
