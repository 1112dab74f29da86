"""CvG-Diff and FBPConvNet through the registry, with networks whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import method_named
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors.cold import ColdRestorer
from ctdiffusion.priors.restorer import Restorer
from ctdiffusion.scan.beams import FanBeam, Grid, ParallelBeam, equispaced, limited_angle
from ctdiffusion.scan.machines import default_geometry, reference_fan
from ctdiffusion.scan.projections import Projections
from priors.small_pack import INFO
from torch import Tensor, nn

LEVELS = [120, 60, 30]
GRID = Grid((2, 32, 32), (1.0, 2.0, 2.0))


class Known(nn.Module):
    """Answers with the images it was given; keeps the levels it was asked for."""

    continuous = True
    multiple = 1
    channels = 1

    def __init__(self, answer: Tensor | None) -> None:
        super().__init__()
        self.answer, self.asked = answer, []

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        self.asked.append(float(level[0]))
        return x if self.answer is None else self.answer[: x.shape[0], None]


def truth() -> Tensor:
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(32) - 15.5, indexing="ij")
    disc = 0.0193 * torch.exp(-((x**2 + y**2) / 90.0))
    return torch.stack([disc, 0.7 * disc])


def problem(geometry, network: nn.Module, scan: dict | None = None, continuous: bool = True) -> Problem:
    info = replace(INFO, channels=1, parametrisation={"kind": "cold", "levels": LEVELS}, scan=scan or {})
    network.continuous = continuous
    operator = make_operator(geometry, GRID)
    projections = Projections(operator.forward(truth()), geometry)
    prior = Restorer(info, ColdRestorer(network, LEVELS))
    return Problem(projections, operator, GRID, NoiseSource(0), Monitor(), prior)


def run(name: str, given: Problem, **values: object) -> Tensor:
    method = method_named(name)
    return method.run(given, from_mapping(method.parameters, values, "methods"))


def normalised(mu: Tensor) -> Tensor:
    return INFO.hu_window.normalise(mu / 0.0193 * 1000.0 - 1000.0)


@pytest.mark.parametrize("kind", ["fan", "parallel"])
@pytest.mark.parametrize("values", [{}, {"sampling": "sequential"}, {"budget": 1, "refine": 1}])
def test_a_perfect_network_gives_the_truth(kind: str, values: dict) -> None:
    geometry = reference_fan(equispaced(20), GRID) if kind == "fan" else default_geometry(
        "parallel", equispaced(10, math.pi), GRID
    )  # fmt: skip
    mu = run("cvg", problem(geometry, Known(normalised(truth()))), **values)
    assert torch.allclose(mu, truth(), atol=1e-6)


@pytest.mark.parametrize(
    ("views", "continuous", "first"), [(20, True, 2.0), (30, True, 2.0), (42, True, 1.515), (42, False, 2.0)]
)
def test_any_view_count_starts_and_only_denser_levels_follow(views: int, continuous: bool, first: float) -> None:
    network = Known(normalised(truth()))
    run("cvg", problem(reference_fan(equispaced(views), GRID), network, None, continuous), sampling="sequential")
    assert network.asked[0] == pytest.approx(first, abs=0.01)
    assert network.asked[1:] == [float(k) for k, v in reversed(list(enumerate(LEVELS))) if v > 1.05 * views]


def test_a_network_that_does_nothing_leaves_the_updates_consistent() -> None:
    # R(x) = x: the state stays x - D_t(x) + D_s(x), and FBPConvNet gives FBP back.
    given = problem(reference_fan(equispaced(30), GRID), Known(None))
    fbp = given.operator.fbp(given.projections.data)
    assert torch.allclose(run("fbpconvnet", given), fbp, atol=1e-6)
    x = fbp
    for views, after in ((30, 60), (60, 120)):
        scans = [make_operator(reference_fan(equispaced(v), GRID), GRID) for v in (views, after)]
        x = x - scans[0].fbp(scans[0].forward(x)) + scans[1].fbp(scans[1].forward(x))
    assert torch.allclose(run("cvg", given, sampling="sequential", final_cg=0), x, atol=1e-5)


@pytest.mark.parametrize("name", ["cvg", "fbpconvnet"])
def test_the_last_agreement_brings_the_result_to_the_data(name: str) -> None:
    given = problem(reference_fan(equispaced(30), GRID), Known(normalised(0.8 * truth())))

    def misfit(mu: Tensor) -> float:
        return float((given.operator.forward(mu) - given.projections.data).norm() / given.projections.data.norm())

    assert misfit(run(name, given, final_cg=0)) == pytest.approx(0.2, abs=1e-3)
    assert misfit(run(name, given, final_cg=10)) < 0.01


@pytest.mark.parametrize("name", ["cvg", "fbpconvnet"])
@pytest.mark.parametrize(
    ("geometry", "text"),
    [
        (FanBeam(limited_angle(30, 0.0, 3.0), 200.0, 400.0, 80, 4.0), "not equally spaced"),
        (reference_fan(equispaced(10), GRID), "10 views per full turn, not 18 to 120"),
        (ParallelBeam(equispaced(40, math.pi), 64, 2.0), "the geometry is parallel, not fan"),
    ],
)
def test_another_scan_is_refused(name: str, geometry, text: str) -> None:
    given = problem(geometry, Known(None), {"kinds": ["fan"], "views_per_turn": [18, 120]})
    with pytest.raises(ValueError, match=text):
        run(name, given)


@pytest.mark.parametrize("name", ["cvg", "fbpconvnet"])
@pytest.mark.parametrize("scan", [reference_fan, partial(default_geometry, "parallel")])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"columns": 6, "column_spacing": 8.0}, "a detector column is 16 mm at the isocentre, 8 pixels, not about 1"),
        ({"columns": 12}, "the detector sees a disc of radius 12.0 mm, the field of view needs 32.0 mm"),
        ({"column_offset": 10.0}, "the detector is off the axis"),
    ],
)
def test_another_detector_is_refused(name: str, scan, changes: dict, text: str) -> None:
    # Lengths of `changes` in columns.
    angles = equispaced(15, math.pi) if scan is not reference_fan else equispaced(30)
    own = scan(angles, GRID)
    lengths = {key: value * (own.column_spacing if key != "columns" else 1) for key, value in changes.items()}
    given = problem(replace(own, **lengths), Known(None))
    with pytest.raises(ValueError, match=r"^prior: small was trained for another scan: ") as error:
        run(name, given)
    assert text in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["cvg", "fbpconvnet"])
def test_a_curved_detector_is_told(name: str) -> None:
    given = problem(default_geometry("fan-curved", equispaced(30), GRID), Known(normalised(truth())))
    told: list[str] = []
    monitor = Monitor()
    monitor.warn = told.append
    run(name, replace(given, monitor=monitor))
    assert told == ["prior small was trained on flat detectors, this one is curved"]


def test_an_image_prior_is_refused() -> None:
    given = problem(reference_fan(equispaced(30), GRID), Known(None))
    with pytest.raises(ValueError, match="needs a restoration network"):
        run("cvg", replace(given, prior=None))
