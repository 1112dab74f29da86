"""DDS against a closed-form posterior, and its independence of everything that must not matter."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.core.units import AttenuationScale
from ctdiffusion.methods.dds import run as reconstruct
from ctdiffusion.methods.families.image_parameters import GradientParameters as DDSParameters
from ctdiffusion.methods.problem import Problem
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors.packs.pack import load_pack
from ctdiffusion.scan.beams import ConeBeam, Grid, ParallelBeam, equispaced
from ctdiffusion.scan.projections import Projections
from ctdiffusion.scan.sampling_grid import sampling_grid
from priors.small_pack import small_pack
from samplers.gaussian_prior import GaussianPrior, posterior

SCALE = AttenuationScale()
UNIT = SCALE.to_mu(1600.0) - SCALE.to_mu(-1000.0)
SIDE = 8
DEVIATION = 0.1


def small_problem(slices: int, prior: object, noise_level: float | None = 0.02, first_slice: int = 0) -> Problem:
    """The same noisy sinogram in every slice, so that slices differ by the sampler's noise alone."""
    grid = Grid((slices, SIDE, SIDE), (2.0, 2.0, 2.0))
    geometry = ParallelBeam(equispaced(9, math.pi), 14, 2.0)
    operator = make_operator(geometry, grid)
    generator = torch.Generator().manual_seed(0)
    truth = UNIT * (0.3 + DEVIATION * torch.randn((1, SIDE, SIDE), generator=generator))
    clean = operator.forward(truth)
    data = clean + (noise_level or 0.0) * torch.randn(clean.shape, generator=generator)
    variance = None if noise_level is None else torch.full_like(clean, noise_level**2).expand(slices, -1, -1)
    projections = Projections(
        data.expand(slices, -1, -1).contiguous(), geometry, variance, simulated=True, first_slice=first_slice
    )
    return Problem(projections, operator, grid, NoiseSource(5, first_slice), Monitor(), prior)  # type: ignore[arg-type]


def dense(problem: Problem) -> torch.Tensor:
    """The projector of one slice as a matrix."""
    basis = torch.eye(SIDE * SIDE).reshape(-1, SIDE, SIDE)
    return problem.operator.forward(basis).reshape(SIDE * SIDE, -1).T


def test_mean_of_samples_is_the_posterior_mean() -> None:
    prior = GaussianPrior(torch.tensor(0.3), DEVIATION)
    problem = small_problem(300, prior)
    parameters = DDSParameters(
        steps=60, sigma_start=0.3, sigma_end=0.003, eta=1.0, cg_iterations=40, trust=1.0, model_error=0.0, final_cg=0
    )
    samples = reconstruct(problem, parameters).flatten(1) / UNIT
    y = problem.projections.data[0].flatten()
    mean, covariance = posterior(
        dense(problem) * UNIT, y, torch.full_like(y, 0.02**2), torch.full((SIDE * SIDE,), 0.3), DEVIATION
    )
    assert float(covariance.diagonal().sqrt().mean()) > 0.01, "the data must leave something open"
    error = (samples.mean(dim=0) - mean).square().mean().sqrt()
    assert float(error) < 0.05 * DEVIATION, f"off the posterior mean by {float(error):.4f}"
    prior_distance = (mean - 0.3).square().mean().sqrt()
    assert float(prior_distance) > 0.5 * DEVIATION, "the data must matter"


def test_without_noise_many_conjugate_gradient_steps_reach_the_data() -> None:
    problem = small_problem(2, GaussianPrior(torch.tensor(0.3), DEVIATION), noise_level=None)
    mu = reconstruct(problem, DDSParameters(steps=5, cg_iterations=60, final_cg=60))
    residual = (problem.operator.forward(mu) - problem.projections.data).norm() / problem.projections.data.norm()
    assert float(residual) < 1e-4


def test_evaluations_are_counted() -> None:
    prior = GaussianPrior(torch.tensor(0.3), DEVIATION)
    reconstruct(small_problem(2, prior), DDSParameters(steps=7))
    assert prior.calls == 8


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return small_pack(tmp_path / "small")


def test_slice_range_and_batch_do_not_change_the_answer(pack: Path) -> None:
    prior = load_pack(pack)
    # Few CG steps: on so small a system later ones amplify the rounding of the network's batched convolutions.
    parameters = DDSParameters(steps=4, cg_iterations=3)
    whole = reconstruct(small_problem(5, prior), parameters)
    prior.batch = 2
    part = reconstruct(small_problem(2, prior, first_slice=3), parameters)
    assert torch.allclose(part, whole[3:], rtol=0, atol=1e-4 * float(whole.abs().max()))
    assert not torch.allclose(whole[0], whole[3], atol=1e-3 * float(whole.abs().max())), "slices must get own noise"


def test_seed_decides(pack: Path) -> None:
    problem = small_problem(2, load_pack(pack))
    parameters = DDSParameters(steps=4)
    first = reconstruct(problem, parameters)
    assert torch.equal(first, reconstruct(problem, parameters))
    other = replace(problem, noise=NoiseSource(6))
    assert not torch.allclose(first, reconstruct(other, parameters), atol=1e-4 * float(first.abs().max()))


class Interrupted(Monitor):
    """Keeps the last state and stops after `stop` steps."""

    def __init__(self, stop: int) -> None:
        self.stop = stop
        self.state: tuple[int, dict[str, torch.Tensor]] | None = None

    def save_state(self, step: int, tensors: dict[str, torch.Tensor]) -> None:
        self.state = (step, {name: value.clone() for name, value in tensors.items()})

    def saved_state(self) -> tuple[int, dict[str, torch.Tensor]] | None:
        return self.state

    def step(self, phase: str, step: int, total: int, image: torch.Tensor | None = None) -> None:
        if step == self.stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_resuming_gives_the_same_bits(pack: Path, stop: int) -> None:
    problem = small_problem(3, load_pack(pack))
    parameters = DDSParameters(steps=6)
    unbroken = reconstruct(problem, parameters)
    monitor = Interrupted(stop)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(replace(problem, monitor=monitor), parameters)
    monitor.stop = -1
    assert torch.equal(reconstruct(replace(problem, monitor=monitor), parameters), unbroken)


def test_nan_stops_the_sampler(pack: Path) -> None:
    prior = GaussianPrior(torch.tensor(0.3), DEVIATION)
    problem = small_problem(2, prior)
    data = problem.projections.data.clone()
    data[0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="step 1"):
        reconstruct(replace(problem, projections=replace(problem.projections, data=data)), DDSParameters(steps=3))


def test_dead_detector_pixels_do_not_count() -> None:
    prior = GaussianPrior(torch.tensor(0.3), DEVIATION)
    problem = small_problem(2, prior)
    projections = problem.projections
    variance = projections.variance.clone()
    variance[:, 2, 5] = float("inf")
    results = []
    for junk in (0.0, 50.0):
        data = projections.data.clone()
        data[:, 2, 5] = junk
        consistent = replace(problem, projections=replace(projections, data=data, variance=variance))
        # FBP as the start still sees the junk; deterministic steps from a high level forget it.
        results.append(reconstruct(consistent, DDSParameters(steps=30, eta=1.0, sigma_start=5.0, cg_iterations=30)))
    assert torch.allclose(results[0], results[1], atol=2e-2 * float(results[0].abs().max()))


def test_cone_beam_volumes_run_whole(pack: Path) -> None:
    grid = Grid((6, 12, 12), (2.0, 2.0, 2.0))
    geometry = ConeBeam(equispaced(10), 200.0, 300.0, 16, 28, 2.0, 2.0)
    operator = make_operator(geometry, grid)
    truth = torch.from_numpy(np.random.default_rng(0).uniform(0.0, 0.04, grid.shape).astype(np.float32))
    projections = Projections(operator.forward(truth), geometry, simulated=True, noise_free=True)
    problem = Problem(projections, operator, grid, NoiseSource(0), Monitor(), load_pack(pack))
    mu = reconstruct(problem, DDSParameters(steps=3, cg_iterations=30, final_cg=30))
    assert mu.shape == truth.shape
    assert float((operator.forward(mu) - projections.data).norm() / projections.data.norm()) < 0.05




@pytest.mark.parametrize(
    ("pixel", "choice", "coarse"),
    [(0.75, "auto", True), (0.75, "input", False), (0.75, "prior", True), (1.2, "auto", False), (1.2, "prior", True)],
)
def test_fine_grids_are_sampled_on_the_priors_pixels(pixel: float, choice: str, coarse: bool) -> None:
    sizes = []

    class Watched(GaussianPrior):
        def predict_x0(self, x: torch.Tensor, sigma: float, spacing: float) -> torch.Tensor:
            sizes.append((x.shape[1], spacing))
            return super().predict_x0(x, sigma, spacing)

    grid = Grid((1, 20, 20), (1.0, pixel, pixel))
    geometry = ParallelBeam(equispaced(20, math.pi), 30, pixel)
    operator = make_operator(geometry, grid)
    truth = torch.full(grid.shape, 0.3 * UNIT)
    projections = Projections(operator.forward(truth), geometry, simulated=True, noise_free=True)
    prior = Watched(torch.tensor(0.3), DEVIATION)
    problem = Problem(projections, operator, grid, NoiseSource(0), Monitor(), prior)  # type: ignore[arg-type]
    mu = reconstruct(problem, DDSParameters(steps=3, grid=choice))
    assert mu.shape == truth.shape
    assert float((mu - truth).abs().mean()) < 0.1 * 0.3 * UNIT
    side, spacing = sizes[0]
    assert side == (round(20 * pixel / 1.5) if coarse else 20)
    assert spacing == pytest.approx(20 * pixel / side)


@pytest.mark.parametrize(
    ("pixel", "choice", "known", "expected"),
    [
        (0.75, "auto", (0.8, 2.0), 1.5),
        (0.75, "auto", (0.66, 0.86), 0.75),
        (0.4, "prior", (0.66, 0.86), 0.86),
        (0.86, "prior", (0.66, 0.86), 0.86),
        (0.4, "prior", (2.0, 3.0), 2.0),
        (0.4, "input", (2.0, 3.0), 0.4),
    ],
)
def test_the_sampling_grid_stays_where_the_prior_was_trained(
    pixel: float, choice: str, known: tuple[float, float], expected: float
) -> None:
    grid = Grid((3, 400, 200), (2.0, pixel, pixel))
    found = sampling_grid(grid, choice, known)
    assert found.in_plane_spacing == pytest.approx(expected, rel=0.01)
    assert found.shape[1] * found.spacing[1] == pytest.approx(400 * pixel)
    assert (found == grid) == (expected == pixel)
