"""The radial preconditioner: positive, symmetric, each slice alone; and what is carried from level to level."""

from __future__ import annotations

import math

import pytest
import torch
from ctdiffusion.operators.base import LinearOperator
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.samplers.consistency import CORRECTION, ConjugateGradientConsistency
from ctdiffusion.scan.beams import FanBeam, Grid, equispaced
from ctdiffusion.scan.projections import Projections
from ctdiffusion.solvers.cg import conjugate_gradient
from ctdiffusion.solvers.preconditioner import RadialPreconditioner

GRID = Grid((2, 48, 40), (1.0, 1.5, 1.5))


def scan(views: int, arc: float = 2.0 * math.pi) -> LinearOperator:
    return make_operator(FanBeam(equispaced(views, arc), 120.0, 240.0, 90, 1.6), GRID)


def problem(operator: LinearOperator) -> tuple[Projections, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    x = 0.02 * torch.rand(GRID.shape, generator=generator)
    clean = operator.forward(x)
    variance = 0.002 * torch.exp(clean)
    data = clean + variance.sqrt() * torch.randn(clean.shape, generator=generator)
    return Projections(data, operator.geometry, variance=variance), x


def test_it_is_symmetric_positive_and_slicewise():
    operator = scan(30)
    weights = torch.tensor([1.0, 7.0])[:, None, None]

    def normal(v):
        return operator.adjoint(weights * operator.forward(v))

    condition = RadialPreconditioner.of(normal, GRID.shape, torch.device("cpu"))
    a, b = torch.randn(GRID.shape), torch.randn(GRID.shape)
    left, right = ((condition(a, 3.0) * b).sum(), (a * condition(b, 3.0)).sum())
    assert float(left) == pytest.approx(float(right), rel=1e-4)
    assert bool(((condition(a, 3.0) * a).sum((1, 2)) > 0).all())
    torch.testing.assert_close(condition.response[1], 7.0 * condition.response[0], rtol=1e-4, atol=0.0)


def test_as_many_steps_come_nearer_from_many_views():
    operator = scan(40)
    projections, x = problem(operator)
    plain = ConjugateGradientConsistency.of(operator, projections, 6)
    fast = ConjugateGradientConsistency.of(operator, projections, 10).carrying()
    assert fast.iterations == 6
    mu0, tau = x + 0.004 * torch.randn(x.shape, generator=torch.Generator().manual_seed(5)), 0.004
    exact = ConjugateGradientConsistency.of(operator, projections, 300)(mu0, tau)
    assert (fast(mu0, tau) - exact).norm() < 0.7 * (plain(mu0, tau) - exact).norm()


def test_preconditioned_steps_end_at_the_same_solution():
    operator = scan(40)
    projections, x = problem(operator)
    fast = ConjugateGradientConsistency.of(operator, projections, 160).carrying()
    exact = ConjugateGradientConsistency.of(operator, projections, 300)
    assert (fast(x, 0.01) - exact(x, 0.01)).norm() < 1e-3 * exact(x, 0.01).norm()


def test_few_views_and_arcs_keep_plain_steps_and_carry_the_correction():
    for operator in (scan(8), scan(40, math.pi / 2)):
        projections, x = problem(operator)
        carrying = ConjugateGradientConsistency.of(operator, projections, 6).carrying()
        assert carrying.preconditioner is None
        assert carrying.iterations == 6
        first = carrying(x, 0.01)
        torch.testing.assert_close(carrying.carried[CORRECTION], first - x)
        second = carrying(x, 0.01)
        exact = ConjugateGradientConsistency.of(operator, projections, 300)(x, 0.01)
        assert (second - exact).norm() < 0.6 * (first - exact).norm()


def test_without_the_noise_nothing_changes():
    operator = scan(40)
    projections, _ = problem(operator)
    plain = ConjugateGradientConsistency.of(operator, projections, 10, weighted=False)
    assert plain.carrying() is plain


def test_conjugate_gradients_with_the_exact_inverse_take_one_step():
    diagonal = 1.0 + torch.rand(3, 5, 5)
    b = torch.randn(3, 5, 5)
    x = conjugate_gradient(lambda v: diagonal * v, b, torch.zeros_like(b), 1, precondition=lambda r: r / diagonal)
    torch.testing.assert_close(x, b / diagonal)
