"""SIRT, CGLS and TV as methods: through the registry, on real projectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from ctdiffusion.core.monitor import Cancelled, Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.methods.families.raydata import assumed_weights, typical
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import method_named
from ctdiffusion.methods.tv import STRENGTH, STRENGTH_VIEWS
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.quality.misfit import misfit
from ctdiffusion.scan.beams import ConeBeam, Geometry, Grid, ParallelBeam, equispaced
from ctdiffusion.scan.machines import default_geometry
from ctdiffusion.scan.projections import Projections
from torch import Tensor

METHODS = ("sirt", "cgls", "tv")
VIEWS = 15


def phantom(grid: Grid) -> Tensor:
    """A body with a hole and a bright insert, growing from slice to slice; attenuation in 1/mm."""
    slices, rows, columns = grid.shape
    y = (torch.arange(rows) - (rows - 1) / 2)[:, None] * grid.spacing[1]
    x = (torch.arange(columns) - (columns - 1) / 2)[None, :] * grid.spacing[2]
    mu = torch.zeros(grid.shape)
    for k in range(slices):
        radius = 22.0 + 3.0 * k
        mu[k][x**2 + y**2 < radius**2] = 0.02
        mu[k][(x - 8.0) ** 2 + y**2 < 36.0] = 0.0
        mu[k][(x + 9.0) ** 2 + (y - 4.0) ** 2 < 16.0] = 0.04
    return mu


def scan(
    kind: str = "parallel", slices: int = 3, side: int = 32, spacing: float = 2.0, photons: float | None = 1e4
) -> tuple[Problem, Tensor]:
    """Projections of the phantom; `photons` None for no noise."""
    grid = Grid((slices, side, side), (4.0, spacing, spacing))
    angles = equispaced(VIEWS, math.pi if kind == "parallel" else 2.0 * math.pi)
    geometry: Geometry = default_geometry(kind, angles, grid)
    operator = make_operator(geometry, grid)
    truth = phantom(grid)
    y = operator.forward(truth)
    variance = None
    if photons is not None:
        variance = torch.exp(y) / photons
        y = y + variance.sqrt() * torch.randn(y.shape, generator=torch.Generator().manual_seed(7))
    projections = Projections(y, geometry, variance, simulated=True, noise_free=photons is None)
    return Problem(projections, operator, grid, NoiseSource(0), Monitor()), truth


def run(name: str, problem: Problem, **values: Any) -> Tensor:
    method = method_named(name)
    if name == "tv":
        values.setdefault("iterations", 150)
    return method.run(problem, from_mapping(method.parameters, values, f"methods.{name}"))


def error(x: Tensor, truth: Tensor) -> float:
    return float((x - truth).norm() / truth.norm())


def with_data(problem: Problem, **changes: Any) -> Problem:
    return replace(problem, projections=replace(problem.projections, **changes))


class Recorder(Monitor):
    """Keeps what a method reports and cancels where told to."""

    def __init__(self, cancel_at: int = -1) -> None:
        self.steps: list[tuple[str, int, int]] = []
        self.shapes: set[tuple[int, ...]] = set()
        self.products = 0
        self.cancel_at = cancel_at

    def step(self, phase: str, step: int, total: int, image: Tensor | None = None) -> None:
        self.steps.append((phase, step, total))
        if image is not None:
            self.shapes.add(tuple(image.shape))
        if step == self.cancel_at:
            raise Cancelled

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        assert part == "projector"
        self.products += 1
        yield


@pytest.mark.parametrize("kind", ["parallel", "fan", "cone"])
def test_each_beats_fbp_and_tv_beats_all(kind: str) -> None:
    problem, truth = scan(kind, photons=1e3)
    fbp, tv = error(run("fbp", problem), truth), error(run("tv", problem), truth)
    # So few voxels and photons call for an early stop.
    sirt, cgls = error(run("sirt", problem, iterations=12), truth), error(run("cgls", problem, iterations=5), truth)
    assert max(sirt, cgls) < 0.9 * fbp
    assert tv < 0.7 * min(sirt, cgls)


@pytest.mark.parametrize("name", METHODS)
def test_progress_preview_cancel_and_projector_time(name: str) -> None:
    problem, truth = scan()
    recorder = Recorder()
    run(name, replace(problem, monitor=recorder), iterations=12)
    assert [s for _, s, _ in recorder.steps] == list(range(1, 13))
    assert {t for _, _, t in recorder.steps} == {12}
    assert recorder.shapes == {tuple(truth.shape)}
    assert recorder.products >= 2 * 12
    with pytest.raises(Cancelled):
        run(name, replace(problem, monitor=Recorder(cancel_at=3)), iterations=12)


@pytest.mark.parametrize("photons", [1e4, None])
@pytest.mark.parametrize("name", METHODS)
def test_a_slice_alone_gives_what_it_gives_among_others(name: str, photons: float | None) -> None:
    problem, _ = scan(photons=photons)
    together = run(name, problem)
    for k in (0, 2):
        variance = problem.projections.variance
        alone = replace(
            with_data(
                problem,
                data=problem.projections.data[k : k + 1],
                variance=None if variance is None else variance[k : k + 1],
                first_slice=k,
            ),
            grid=replace(problem.grid, shape=(1, *problem.grid.shape[1:])),
        )
        x = run(name, alone)
        assert x.shape == (1, 32, 32)
        torch.testing.assert_close(x[0], together[k], rtol=1e-4, atol=2e-6)


def test_tv_in_blocks_is_tv_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = scan(slices=5)
    whole = run("tv", problem, iterations=60)
    monkeypatch.setattr("ctdiffusion.methods.tv.BLOCK", 2)
    recorder = Recorder()
    torch.testing.assert_close(
        run("tv", replace(problem, monitor=recorder), iterations=60), whole, rtol=1e-5, atol=1e-7
    )
    assert [s for _, s, _ in recorder.steps] == list(range(1, 181))
    assert recorder.steps[-1][2] == 180


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("reading", [5.0, math.inf, math.nan])
def test_dead_pixels_are_left_out_whatever_they_read(name: str, reading: float) -> None:
    problem, truth = scan()
    variance, data = problem.projections.variance, problem.projections.data.clone()
    assert variance is not None
    variance = variance.clone()
    variance[:, 3, 11] = math.inf
    data[:, 3, 11] = reading
    x = run(name, with_data(problem, data=data, variance=variance))
    assert torch.isfinite(x).all()
    assert error(x, truth) < error(run(name, problem), truth) + 0.03


@pytest.mark.parametrize("name", METHODS)
def test_a_variance_of_zero_is_refused(name: str) -> None:
    problem, _ = scan()
    assert problem.projections.variance is not None
    with pytest.raises(ValueError, match=r"projections\.variance"):
        run(name, with_data(problem, variance=torch.zeros_like(problem.projections.variance)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tv", {"strength": -1.0}), ("tv", {"strength": float("nan")}), ("tv", {"z_weight": -0.5}),
        ("tv", {"iterations": 0}), ("tv", {"discrepancy": 0.0}), ("tv", {"tolerance": -1e-3}),
        ("sirt", {"relaxation": 2.0}), ("sirt", {"iterations": 0}), ("cgls", {"iterations": 0}),
        ("cgls", {"damping": 1.0}),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_by_name(name: str, values: dict[str, object]) -> None:
    problem, _ = scan()
    with pytest.raises(ValueError, match=rf"methods\.{name}\.{next(iter(values))}"):
        run(name, problem, **values)


@pytest.mark.parametrize("name", ["sirt", "tv"])
def test_negative_attenuation_is_excluded_unless_allowed(name: str) -> None:
    problem, _ = scan()
    assert run(name, problem).min() >= 0.0
    assert run(name, problem, nonnegative=False).min() < -1e-4


@pytest.mark.parametrize("photons", [1e3, 1e5])
def test_the_automatic_weight_of_tv_suits_the_noise(photons: float) -> None:
    problem, truth = scan(photons=photons)
    automatic = error(run("tv", problem), truth)
    assert automatic < 0.8 * min(error(run("tv", problem, strength=s), truth) for s in (0.05, 100.0))
    assert torch.equal(run("tv", problem), run("tv", problem, strength=STRENGTH * math.sqrt(VIEWS / STRENGTH_VIEWS)))


@pytest.mark.parametrize("target", [0.7, 1.2])
def test_the_discrepancy_principle_of_tv(target: float) -> None:
    problem, _ = scan(photons=1e3)
    x = run("tv", problem, discrepancy=target, iterations=300)
    assert misfit(problem.operator, x, problem.projections)["chi2"] == pytest.approx(target, rel=0.02)
    with pytest.raises(ValueError, match=r"methods\.tv\.discrepancy: the variance"):
        run("tv", with_data(problem, variance=None), discrepancy=target)


def test_tv_of_unknown_noise_finds_it_in_the_data() -> None:
    problem, truth = scan(photons=1e4)
    unknown = error(run("tv", with_data(problem, variance=None)), truth)
    mistaken = error(run("tv", with_data(problem, variance=None, noise_free=True)), truth)
    assert unknown < 0.8 * mistaken
    assert unknown < 1.5 * error(run("tv", problem), truth)


def test_assumed_weights_follow_the_noise_of_each_slice() -> None:
    problem, _ = scan(side=64, spacing=1.0, photons=None)
    data = problem.projections.data
    noise = torch.tensor([0.0, 0.05, 0.2])[:, None, None]
    noisy = data + noise * torch.randn(data.shape, generator=torch.Generator().manual_seed(1))
    sigma = assumed_weights(noisy, False, True).rsqrt()
    assert sigma.shape == data.shape
    torch.testing.assert_close(sigma[1:, 0, 0], noise[1:].flatten(), rtol=0.25, atol=0.0)
    assert float(sigma[0, 0, 0]) < 0.02
    clean = assumed_weights(data, True, True).rsqrt()
    torch.testing.assert_close(clean[:, 0, :1], 0.002 * typical(data, 1)[:, :, 0], rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("photons", [1e4, None])
def test_tv_does_not_depend_on_the_unit_of_attenuation(photons: float | None) -> None:
    problem, _ = scan(photons=photons)
    x = run("tv", problem, iterations=150)
    variance = problem.projections.variance
    scaled = with_data(
        problem, data=8.0 * problem.projections.data, variance=None if variance is None else 64.0 * variance
    )
    torch.testing.assert_close(run("tv", scaled, iterations=150), 8.0 * x, rtol=1e-3, atol=1e-4)


def test_the_strength_means_the_same_on_finer_voxels() -> None:
    """TV takes contrast from the bright insert in proportion to lambda; how much must not depend on the grid."""
    losses = []
    for side, spacing in ((32, 2.0), (64, 1.0)):
        grid = Grid((1, side, side), (4.0, spacing, spacing))
        geometry = ParallelBeam(equispaced(30, math.pi), 64, 1.0)
        operator = make_operator(geometry, grid)
        y = operator.forward(phantom(grid))
        problem = Problem(
            Projections(y, geometry, torch.full_like(y, 0.02**2)), operator, grid, NoiseSource(0), Monitor()
        )
        x = run("tv", problem, strength=100.0, iterations=1500)
        insert = phantom(grid) > 0.03
        losses.append(0.04 - float(x[insert].mean()))
    assert losses[0] > 0.002
    assert losses[1] == pytest.approx(losses[0], rel=0.2)


def test_z_weight_ties_slices_together() -> None:
    problem, truth = scan(slices=4, photons=3e3)
    same = with_data(problem, data=problem.projections.data[:1].repeat(4, 1, 1).clone())
    noise = torch.randn(same.projections.data.shape, generator=torch.Generator().manual_seed(9))
    assert problem.projections.variance is not None
    same = with_data(same, data=same.projections.data + problem.projections.variance[:1].sqrt() * noise)
    alone = run("tv", same, strength=2.0)
    tied = run("tv", same, strength=2.0, z_weight=5.0)
    assert tied.diff(dim=0).norm() < 0.2 * alone.diff(dim=0).norm()
    assert error(tied, truth[:1].expand(4, -1, -1)) < error(alone, truth[:1].expand(4, -1, -1))


@pytest.mark.parametrize("name", METHODS)
def test_an_empty_scan_gives_an_empty_image(name: str) -> None:
    problem, _ = scan()
    x = run(name, with_data(problem, data=torch.zeros_like(problem.projections.data)))
    assert x.abs().max() == 0.0


@pytest.mark.parametrize("name", METHODS)
def test_a_cone_beam_that_sees_one_slice(name: str) -> None:
    grid = Grid((1, 16, 16), (4.0, 4.0, 4.0))
    geometry = ConeBeam(equispaced(9), 500.0, 800.0, 3, 30, 6.0, 4.0)
    operator = make_operator(geometry, grid)
    truth = phantom(grid)
    problem = Problem(Projections(operator.forward(truth), geometry), operator, grid, NoiseSource(0), Monitor())
    x = run(name, problem)
    assert x.shape == (1, 16, 16)
    assert error(x, truth) < 0.5
