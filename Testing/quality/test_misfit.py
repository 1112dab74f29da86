"""Data misfit with dead pixels and against a known noise level."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.operators.base import LinearOperator
from ctdiffusion.quality.misfit import misfit
from ctdiffusion.scan.beams import Grid, ParallelBeam, equispaced
from ctdiffusion.scan.projections import Projections


class Doubling(LinearOperator):
    """A projector simple enough to do by hand: two times the voxels."""

    def forward(self, x):
        return 2 * x

    def adjoint(self, y):
        return 2 * y

    def fbp(self, y, window="ram-lak"):
        return y / 2


def operator() -> Doubling:
    result = Doubling()
    result.geometry, result.grid = ParallelBeam(equispaced(30), 40, 1.0), Grid((3, 30, 40), (1.0, 1.0, 1.0))
    return result


def test_relative_misfit():
    y = torch.rand(3, 30, 40) + 1
    values = misfit(operator(), 0.55 * y, Projections(y, operator().geometry))
    assert values == {"relative": pytest.approx(0.1, rel=1e-5), "chi2": None}


def test_chi2_is_one_for_noise_alone_and_dead_pixels_do_not_count():
    torch.manual_seed(0)
    x = torch.rand(3, 30, 40)
    sigma = torch.rand(3, 30, 40) + 0.1
    y = 2 * x + sigma * torch.randn_like(x)
    variance = sigma**2
    variance[:, :, 7] = torch.inf
    y[:, :, 7] = 1e6
    values = misfit(operator(), x, Projections(y, operator().geometry, variance=variance))
    assert values["chi2"] == pytest.approx(1.0, abs=0.06)
    assert values["relative"] < 1.0


def test_nothing_to_relate_to_is_none():
    zero = torch.zeros(1, 30, 40)
    assert misfit(operator(), zero, Projections(zero, operator().geometry))["relative"] is None
    dead = Projections(zero, operator().geometry, variance=torch.full_like(zero, torch.inf))
    assert misfit(operator(), zero, dead) == {"relative": None, "chi2": None}
