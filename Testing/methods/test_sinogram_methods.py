"""GMSD, MSDiff and relatives through the registry: measured rows, scans that do not fit, exact completion."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from ctdiffusion.acquisition.measured.read import read_projections
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.methods.families.sinograms import Turn, fill_in, subset
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import method_named
from ctdiffusion.methods.sinogram_systems import SYSTEMS, stages
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors.denoiser import Denoiser
from ctdiffusion.priors.prior import Prior
from ctdiffusion.priors.scan import check_scan
from ctdiffusion.scan.beams import FanBeam, Grid, equispaced, limited_angle
from ctdiffusion.scan.machines import default_geometry, reference_fan
from ctdiffusion.scan.projections import Projections
from priors.small_pack import INFO
from shared_data import shared
from torch import Tensor

FAMILY = ("gmsd", "msdiff", "osmm", "sword", "swarm")
GRID = Grid((2, 24, 24), (1.0, 2.0, 2.0))
SCAN = {"kinds": ["fan", "parallel"], "full_views": 360, "source_to_isocentre_px": [1000.0, 1e6]}
SINOGRAMS = replace(
    INFO, name="turns", domain="sinogram", channels=1, labels=(0, 1), window=(0.0, 10.0), scan=SCAN,
    sigma_range=(5e-4, 1.0), spacing_range=(1.0, 3.0),
)  # fmt: skip


class Noise(Denoiser):
    """Answers with anything, so that whatever is left of the data in the result was put there."""

    channels = 1

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        return torch.rand_like(x)

    def pad_multiple(self) -> int:
        return 1


class Warnings(Monitor):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def fan(views: int):
    return reference_fan(equispaced(views, start=0.2), GRID)


def parallel(views: int):
    return default_geometry("parallel", equispaced(views // 2, math.pi), GRID)


def problem(geometry, prior: Prior | None = None) -> Problem:
    operator = make_operator(geometry, GRID)
    x = 0.02 * torch.rand((2, 24, 24), generator=torch.Generator().manual_seed(0))
    data = operator.forward(x)
    return Problem(
        Projections(data, geometry), operator, GRID, NoiseSource(0), Warnings(), prior or Prior(SINOGRAMS, Noise())
    )


def completed(name: str, given: Problem, **values: object) -> tuple[Turn, Tensor]:
    acting = partial(stages, SYSTEMS[name])
    return fill_in(given, from_mapping(method_named(name).parameters, {"steps": 2, **values}, "methods"), acting)


@pytest.mark.parametrize("scan", [fan, parallel])
@pytest.mark.parametrize("views", [10, 18, 20, 28, 30, 50, 60, 72, 90, 180])
def test_measured_rows_are_bit_identical(scan, views: int) -> None:
    # Among them counts whose stride divides neither the prior's 360 views nor the pad of 24 of the released code.
    given = problem(scan(views))
    data = given.projections.data
    for name in FAMILY:
        for values in ({}, {"rule": "predictor", "corrector": 1, "noisy": True}):
            turn, full = completed(name, given, **values)
            rows = full[:, :: turn.stride]
            assert rows.shape[1] == views
            assert abs(full.shape[1] / 360 - 1) <= 0.12
            assert torch.equal(rows[:, : data.shape[1]], data)
            if scan is parallel:
                assert torch.equal(rows[:, data.shape[1] :], data.flip(2))


def test_the_rows_lie_where_they_were_measured_whatever_their_order() -> None:
    angles = equispaced(30, start=1.0)
    mixed = tuple(angles[k] for k in torch.randperm(30, generator=torch.Generator().manual_seed(0)).tolist())
    given = problem(reference_fan(mixed, GRID))
    turn, full = completed("gmsd", given)
    for row, view in enumerate(turn.order):
        assert torch.equal(full[:, row * turn.stride], given.projections.data[:, view])
        difference = turn.operator.geometry.angles[row * turn.stride] - mixed[view]
        assert math.isclose(math.cos(difference), 1.0, abs_tol=1e-9)


@pytest.mark.parametrize(
    "degrees",
    [
        [15.0 * k for k in range(12)],
        [-15.0 * k for k in range(12)],
        [24.0 * k for k in range(15)],
        [15.0 * k + 180.0 * (k % 2) for k in range(12)],
        [10.0 + 15.0 * ((7 * k) % 24) for k in range(24)],
    ],
    ids=["ascending", "descending", "odd full turn", "sides in turn", "mixed full turn"],
)
def test_rows_of_parallel_beams_are_what_the_full_turn_sees(degrees: list[float]) -> None:
    given = problem(default_geometry("parallel", tuple(math.radians(a) for a in degrees), GRID))
    turn = Turn.of(given, given.prior)
    x = 0.02 * torch.rand((2, 24, 24), generator=torch.Generator().manual_seed(0))
    seen = turn.operator.forward(x)[:, :: turn.stride]
    assert torch.allclose(turn.rows(given.projections.data), seen, atol=1e-4 * float(seen.max()))


def test_stages_that_would_only_see_measured_rows_are_left_out() -> None:
    """With 60 of 360 views every row of the sparse-view model is a measured one."""
    calls: dict[int, list[int]] = {}

    class Counting(Noise):
        def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
            calls.setdefault(views, []).append(int(label[0]))
            assert float(log_spacing[0]) == 0.0, "sinograms are shown without a pixel size, as in training"
            return torch.rand_like(x)

    for views in (30, 60):
        completed("msdiff", problem(fan(views), Prior(SINOGRAMS, Counting())))
    assert calls == {30: [1, 0, 1, 0], 60: [0, 0]}


def test_a_full_scan_comes_back_as_its_own_fbp() -> None:
    given = problem(fan(360))
    method = method_named("msdiff")
    mu = method.run(given, from_mapping(method.parameters, {"steps": 2, "final_cg": 0}, "methods"))
    assert torch.allclose(mu, given.operator.fbp(given.projections.data), atol=1e-6)


def test_the_last_agreement_brings_the_image_to_the_measured_views() -> None:
    given = problem(fan(30))
    method = method_named("msdiff")
    misfits = []
    for steps in (0, 5, 20):
        mu = method.run(given, from_mapping(method.parameters, {"steps": 2, "final_cg": steps}, "methods"))
        misfits.append(float((given.operator.forward(mu) - given.projections.data).norm()))
    assert misfits[1] < 0.5 * misfits[0]
    assert misfits[2] < 0.3 * misfits[1]


def test_a_turn_off_the_priors_grid_is_told() -> None:
    given = problem(fan(50))
    turn, _ = completed("msdiff", given)
    assert turn.views == 350
    assert any("completed to 350" in text for text in given.monitor.texts)
    fitting = problem(fan(60))
    completed("msdiff", fitting)
    assert not fitting.monitor.texts


@pytest.mark.parametrize(
    ("geometry", "text"),
    [
        (reference_fan(limited_angle(30, 0.0, 3.0), GRID), "not equally spaced"),
        (fan(500), "no multiple of 500 is near it"),
        (FanBeam(equispaced(30), 570.0, 1040.0, 60, 3.6), "the source is 289 pixels of 1.97 mm from the isocentre"),
        (replace(fan(30), curved=True), "the detector is curved"),
        (replace(fan(30), column_offset=3.0), "the detector is off the axis"),
        (replace(fan(30), columns=12), "the detector sees a disc of radius 12.0 mm, the field of view needs 24.0 mm"),
        (replace(fan(30), columns=6, column_spacing=32.0), "the source is 134 pixels of 16 mm from the isocentre"),
        (replace(parallel(30), columns=6, column_spacing=16.0), "a detector column is 16 mm at the isocentre, 8 "),
        (replace(parallel(30), column_offset=12.0), "the detector is off the axis"),
    ],
)
def test_another_scan_is_refused_by_what_differs(geometry, text: str) -> None:
    with pytest.raises(ValueError, match="turns was trained for") as error:
        completed("msdiff", problem(geometry))
    assert text in str(error.value)


def test_an_image_prior_is_refused() -> None:
    given = problem(fan(30))
    with pytest.raises(ValueError, match="needs a denoiser of sinograms"):
        completed("gmsd", replace(given, prior=None))


@pytest.mark.parametrize(("views", "stride", "step"), [(360, 12, 6), (350, 7, 7), (364, 52, 7), (360, 4, 6)])
def test_the_subset_is_a_regular_turn_near_every_sixth_row(views: int, stride: int, step: int) -> None:
    (rows,) = subset(views, stride).rows
    assert rows.step == step
    every = subset(views, stride, all_offsets=True).rows
    assert sorted(k for part in every for k in range(views)[part]) == list(range(views))


@pytest.mark.parametrize("views", [50, 30])
def test_a_measured_scan_with_gaps_is_refused_by_what_differs(views: int) -> None:
    found = read_projections(shared("data/measured/htc2022_tb.json"))
    count = found.projections.geometry.views
    projections = found.projections.views([k * count // views for k in range(views)])
    grid = Grid((1, 512, 512), (0.148, 0.148, 0.148))
    with pytest.raises(ValueError, match="turns was trained for another scan: the views are not equally spaced"):
        check_scan(SINOGRAMS, projections.geometry, grid)
    # The same scanner on a whole turn: the pixels are ten times finer than what the prior has seen.
    turn, warnings = check_scan(SINOGRAMS, replace(projections.geometry, angles=equispaced(views)), grid)
    assert turn == views
    assert "it works outside of what it has learnt" in warnings[0]
