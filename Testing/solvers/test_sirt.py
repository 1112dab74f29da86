from __future__ import annotations

import pytest
import torch
from ctdiffusion.solvers.sirt import sirt
from solvers.dense_operator import cone_operator, image, stack_operator
from torch import Tensor


@pytest.mark.parametrize("relaxation", [0.5, 1.0, 1.9])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_the_residual_never_grows(relaxation: float, nonnegative: bool) -> None:
    operator = stack_operator()
    y = operator.forward(image(2)) + 0.05 * torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(3))
    R = 1.0 / operator.forward(torch.ones(1, 6, 6))
    misfits: list[Tensor] = []

    def watch(step: int, x: Tensor) -> None:
        misfits.append((R * (operator.forward(x) - y) ** 2).sum(dim=(1, 2)))

    sirt(operator, y, torch.zeros(2, 6, 6), 60, relaxation, nonnegative, callback=watch)
    falls = torch.stack(misfits).diff(dim=0)
    assert (falls <= 1e-6 * misfits[0]).all()
    assert (misfits[-1] < 0.7 * misfits[0]).all()


def test_it_converges_to_the_weighted_least_squares_solution() -> None:
    operator = stack_operator()
    y = operator.forward(image(1)) + 0.05 * torch.randn(1, 6, 9, generator=torch.Generator().manual_seed(3))
    R = 1.0 / operator.forward(torch.ones(1, 6, 6))
    x = sirt(operator, y, torch.zeros(1, 6, 6), 20000, 1.9, nonnegative=False)
    S = R.sqrt().reshape(-1, 1).double()
    expected = torch.linalg.lstsq(S * operator.matrix, S * y.reshape(-1, 1).double()).solution
    torch.testing.assert_close(x.reshape(-1, 1).double(), expected, rtol=1e-2, atol=2e-4)


def test_it_finds_the_image_of_consistent_data() -> None:
    for operator, truth in ((stack_operator(), image(2)), (cone_operator(), image(3, 6)[:, :4, :4])):
        x = sirt(operator, operator.forward(truth), torch.zeros_like(truth), 5000, 1.9)
        assert (x - truth).norm() < 0.02 * truth.norm()
        assert x.min() >= 0.0


def test_a_dead_pixel_does_not_matter() -> None:
    operator = stack_operator()
    y = operator.forward(image(1))
    live = torch.ones_like(y)
    live[:, :, 4] = 0.0
    spoilt = torch.where(live > 0, y, 1e3)
    clean = sirt(operator, y, torch.zeros(1, 6, 6), 30, live=live)
    torch.testing.assert_close(sirt(operator, spoilt, torch.zeros(1, 6, 6), 30, live=live), clean)
    assert (sirt(operator, spoilt, torch.zeros(1, 6, 6), 30) - clean).norm() > clean.norm()


def test_it_is_homogeneous_and_independent_of_other_slices() -> None:
    operator = stack_operator()
    y = operator.forward(image(3))
    x = sirt(operator, y, torch.zeros(3, 6, 6), 20)
    torch.testing.assert_close(sirt(operator, 8.0 * y, torch.zeros(3, 6, 6), 20), 8.0 * x)
    torch.testing.assert_close(sirt(operator, y[1:2], torch.zeros(1, 6, 6), 20), x[1:2])


@pytest.mark.parametrize(
    ("name", "values"), [("relaxation", (5, 2.0)), ("relaxation", (5, 0.0)), ("iterations", (-1, 1.0))]
)
def test_bad_arguments_are_refused(name: str, values: tuple[int, float]) -> None:
    operator = stack_operator()
    with pytest.raises(ValueError, match=name):
        sirt(operator, torch.ones(1, 6, 9), torch.zeros(1, 6, 6), *values)
