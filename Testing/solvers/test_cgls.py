from __future__ import annotations

import pytest
import torch
from ctdiffusion.solvers.cgls import cgls
from solvers.dense_operator import cone_operator, image, stack_operator
from torch import Tensor


def noisy(seed: int = 3) -> tuple[Tensor, Tensor]:
    """Data of two slices and their weights."""
    random = torch.Generator().manual_seed(seed)
    y = stack_operator().forward(image(2))
    variance = 0.001 + 0.01 * torch.rand(y.shape, generator=random)
    return y + variance.sqrt() * torch.randn(y.shape, generator=random), 1.0 / variance


@pytest.mark.parametrize("weighted", [False, True])
def test_it_equals_weighted_least_squares(weighted: bool) -> None:
    operator = stack_operator()
    y, W = noisy()
    x = cgls(operator, y, torch.zeros(2, 6, 6), 150, W if weighted else None)
    for k in range(2):
        S = (W[k].sqrt() if weighted else torch.ones_like(W[k])).reshape(-1, 1).double()
        expected = torch.linalg.lstsq(S * operator.matrix, S * y[k].reshape(-1, 1).double()).solution
        torch.testing.assert_close(x[k].reshape(-1, 1).double(), expected, rtol=1e-3, atol=1e-5)


def test_the_residual_falls_and_slices_are_independent() -> None:
    operator = stack_operator()
    y, W = noisy()
    misfits: list[Tensor] = []

    def watch(step: int, x: Tensor) -> None:
        misfits.append((W * (operator.forward(x) - y) ** 2).sum(dim=(1, 2)))

    x = cgls(operator, y, torch.zeros(2, 6, 6), 8, W, watch)
    assert (torch.stack(misfits).diff(dim=0) <= 1e-5 * misfits[0]).all()
    assert len(misfits) == 8
    torch.testing.assert_close(cgls(operator, y[1:], torch.zeros(1, 6, 6), 8, W[1:]), x[1:])


def test_a_cone_volume_is_one_system() -> None:
    operator = cone_operator()
    truth = image(3, 6)[:, :4, :4]
    x = cgls(operator, operator.forward(truth), torch.zeros_like(truth), 200)
    torch.testing.assert_close(x, truth, rtol=1e-3, atol=1e-5)


def test_an_empty_slice_stays_empty_and_a_started_one_goes_on() -> None:
    operator = stack_operator()
    y, _ = noisy()
    y[0] = 0.0
    x = cgls(operator, y, torch.zeros(2, 6, 6), 400)
    assert x[0].abs().max() == 0.0
    assert torch.isfinite(x).all()
    torch.testing.assert_close(cgls(operator, y, x, 50), x, rtol=1e-3, atol=1e-6)


def test_bad_arguments_are_refused() -> None:
    operator = stack_operator()
    y, W = noisy()
    with pytest.raises(ValueError, match="iterations"):
        cgls(operator, y, torch.zeros(2, 6, 6), -1)
    with pytest.raises(ValueError, match="weights"):
        cgls(operator, y, torch.zeros(2, 6, 6), 1, -W)
