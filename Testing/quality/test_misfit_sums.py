"""The misfit's sums: those of double precision, also where a slice alone is dead or a ratio overflows."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.quality.misfit import misfit
from ctdiffusion.scan.beams import FanBeam, Grid, equispaced
from ctdiffusion.scan.projections import Projections


def test_sums_of_rows_lose_nothing():
    torch.manual_seed(3)
    grid = Grid((5, 32, 32), (1.0, 1.0, 1.0))
    geometry = FanBeam(equispaced(40), 80.0, 160.0, 101, 1.0)
    operator = make_operator(geometry, grid)
    x = torch.rand(grid.shape)
    clean = operator.forward(x)
    variance = 0.01 + torch.rand_like(clean)
    y = clean + variance.sqrt() * torch.randn_like(clean)
    variance[1, 3, 7:30] = torch.inf
    variance[2, :, :] = 0.0
    got = misfit(operator, x, Projections(y, geometry, variance=variance))
    live = torch.isfinite(variance) & (variance > 0)
    residual, data, own = (v[live].double() for v in (clean - y, y, variance))
    assert got["chi2"] == pytest.approx(float((residual**2 / own).mean()), rel=1e-6)
    assert got["relative"] == pytest.approx(float(residual.norm() / data.norm()), rel=1e-6)
    tiny = torch.full_like(variance, 1e-38)
    got = misfit(operator, x, Projections(1e3 * y, geometry, variance=tiny))
    expected = ((operator.forward(x) - 1e3 * y).double() ** 2 / tiny.double()).mean()
    assert got["chi2"] == pytest.approx(float(expected), rel=1e-6)
