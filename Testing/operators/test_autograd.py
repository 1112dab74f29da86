"""Gradients through operators are the adjoint."""

from __future__ import annotations

import torch
from ctdiffusion.operators.autograd import differentiable
from ctdiffusion.operators.sparse import TorchSparse
from ctdiffusion.operators.stack import StackOperator
from ctdiffusion.scan.beams import FanBeam, Grid, ParallelBeam, equispaced
from operators.catalogue import Case, every_operator

GRID = Grid((1, 8, 8), (1.0, 1.0, 1.2))


def _double(scan: ParallelBeam | FanBeam) -> StackOperator:
    return StackOperator(scan, GRID, TorchSparse(scan, GRID, torch.device("cpu"), torch.float64))


def test_gradcheck_in_double_precision() -> None:
    for scan in (ParallelBeam(equispaced(5), 11, 1.0), FanBeam(equispaced(5), 20.0, 35.0, 11, 1.9, 0.4)):
        operator = _double(scan)
        x = torch.randn(2, 8, 8, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(differentiable(operator), x)
        assert torch.autograd.gradgradcheck(differentiable(operator), x)


def test_adjoint_in_double_precision() -> None:
    scan = FanBeam(equispaced(5), 20.0, 35.0, 11, 1.9, 0.4, curved=True)
    operator = _double(scan)
    x, y = torch.randn(2, 8, 8, dtype=torch.float64), torch.randn(2, 5, 11, dtype=torch.float64)
    projected = operator.forward(x)
    difference = (projected * y).sum() - (x * operator.adjoint(y)).sum()
    assert float(difference.abs() / (projected.norm() * y.norm())) <= 1e-12


@every_operator
def test_gradient_of_the_data_misfit(case: Case) -> None:
    operator = case.make()
    x = torch.randn(case.grid.shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    projected = differentiable(operator)(x)
    projected.square().sum().mul(0.5).backward()
    assert x.grad is not None
    expected = operator.adjoint(projected.detach())
    assert torch.allclose(x.grad, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
