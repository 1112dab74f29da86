"""Gradients through a prior: the transpose of its derivative, by finite differences and through the projector."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from ctdiffusion.operators.autograd import differentiable
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors.packs.pack import load_pack
from ctdiffusion.priors.prior import Prior
from ctdiffusion.samplers.misfit import MisfitGradient
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam, equispaced
from ctdiffusion.scan.projections import Projections
from priors.small_pack import small_pack

SIGMA, SPACING = 0.2, 1.0


@pytest.fixture
def prior(tmp_path: Path) -> Prior:
    return load_pack(small_pack(tmp_path / "small"))


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(12, 12), (13, 10)])
def test_it_is_the_transpose_of_the_derivative(prior: Prior, size: tuple[int, int]) -> None:
    """<g, D(x + h v) - D(x - h v)> / 2 h = <v, (dD / dx)' g>, with borders that the network pads."""
    x, v, g = 0.3 + 0.3 * images(3, *size), images(3, *size, seed=1), images(3, *size, seed=2)
    h = 1e-2
    ahead, behind = (prior.predict_x0(x + step * v, SIGMA, SPACING) for step in (h, -h))
    expected = float((g.double() * (ahead - behind).double()).sum()) / (2.0 * h)
    with torch.no_grad():
        found = float((v.double() * prior.pull_back(x, g, SIGMA, SPACING).double()).sum())
    assert found == pytest.approx(expected, rel=5e-3)


def test_slices_and_batches_are_apart_and_the_gradient_keeps_no_history(prior: Prior) -> None:
    x, g = images(9, 12, 12), images(9, 12, 12, seed=3)
    whole = prior.pull_back(x, g, SIGMA, SPACING)
    assert not whole.requires_grad and x.grad is None
    prior.batch = 1
    assert torch.allclose(prior.pull_back(x, g, SIGMA, SPACING), whole, rtol=0, atol=1e-5 * float(whole.abs().max()))
    nothing = g.clone()
    nothing[4:] = 0.0
    part = prior.pull_back(x, nothing, SIGMA, SPACING)
    assert torch.equal(part[4:], torch.zeros_like(part[4:]))
    with torch.inference_mode():
        inside = prior.pull_back(x + 0.0, g + 0.0, SIGMA, SPACING)
    assert torch.allclose(inside, prior.pull_back(x, g, SIGMA, SPACING))


def test_levels_and_pixels_are_clipped_as_in_the_estimate(prior: Prior) -> None:
    x, g = images(1, 12, 12), images(1, 12, 12, seed=3)
    low, high = prior.info.sigma_range
    for outside, edge in ((low / 10, low), (high * 10, high)):
        assert torch.equal(prior.pull_back(x, g, outside, SPACING), prior.pull_back(x, g, edge, SPACING))


def geometries() -> dict[str, tuple[Geometry, Grid]]:
    return {
        "parallel": (ParallelBeam(equispaced(9, math.pi), 18, 2.0), Grid((2, 12, 12), (2.0, 2.0, 2.0))),
        "fan": (FanBeam(equispaced(11), 100.0, 150.0, 30, 2.0), Grid((2, 12, 12), (2.0, 2.0, 2.0))),
        "cone": (ConeBeam(equispaced(8), 200.0, 300.0, 16, 28, 2.0, 2.0), Grid((6, 12, 12), (2.0, 2.0, 2.0))),
    }


@pytest.mark.parametrize("kind", geometries())
def test_the_misfit_falls_along_its_gradient_through_projector_and_network(prior: Prior, kind: str) -> None:
    """f(x) = 1/2 |A D(x) - y|^2 against automatic differentiation, and its curvature against the dense one."""
    geometry, grid = geometries()[kind]
    operator = make_operator(geometry, grid)
    data = operator.forward(images(*grid.shape).abs())
    variance = torch.ones_like(data)
    variance[:, 3] = torch.inf
    misfit = MisfitGradient.of(operator, Projections(data, geometry, variance), filtered=False)
    x = images(*grid.shape, seed=5)
    estimate = prior.predict_x0(x, SIGMA, SPACING)
    found = prior.pull_back(x, misfit(estimate), SIGMA, SPACING)

    def f(x0: torch.Tensor) -> torch.Tensor:
        residual = differentiable(operator)(x0) - data
        return 0.5 * residual[variance.isfinite()].square().sum()

    leaf = estimate.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    assert torch.allclose(
        misfit(estimate) * misfit.curvature, gradient, rtol=0, atol=1e-4 * float(gradient.abs().max())
    )
    # Power iterations come from below: not above, and by a few per cent at most.
    exact = operator.norm(200) ** 2
    assert 0.9 * exact < misfit.curvature <= 1.001 * exact
    step = 0.2 / misfit.curvature
    before, after = (f(prior.predict_x0(y, SIGMA, SPACING)) for y in (x, x - step * misfit.curvature * found))
    assert float(after) < float(before)


@pytest.mark.parametrize("kind", geometries())
@pytest.mark.parametrize("filtered", [True, False])
def test_steps_down_the_misfit_do_not_overshoot(kind: str, filtered: bool) -> None:
    geometry, grid = geometries()[kind]
    operator = make_operator(geometry, grid)
    truth = images(*grid.shape).abs()
    misfit = MisfitGradient.of(operator, Projections(operator.forward(truth), geometry), filtered)
    for length in (1.0, 1.8):
        mu = torch.zeros_like(truth)
        for _ in range(60):
            mu = mu - length * misfit(mu)
        assert float((operator.forward(mu - truth)).norm() / operator.forward(truth).norm()) < 0.15


def test_dead_pixels_do_not_pull() -> None:
    geometry, grid = geometries()["fan"]
    operator = make_operator(geometry, grid)
    data = operator.forward(images(*grid.shape).abs())
    variance = torch.ones_like(data)
    variance[:, :, 7] = torch.inf
    gradients = []
    for reading in (0.0, 50.0, math.nan):
        data[:, :, 7] = reading
        gradients.append(
            MisfitGradient.of(operator, Projections(data.clone(), geometry, variance), True)(images(*grid.shape))
        )
    assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[0], gradients[2])
