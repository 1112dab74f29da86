from __future__ import annotations

import pytest
import torch
from ctdiffusion.solvers.cg import conjugate_gradient
from solvers.dense_operator import cone_operator, image, stack_operator
from torch import Tensor


def systems(count: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Symmetric positive definite matrices, each with its own spectrum, and right-hand sides."""
    random = torch.Generator().manual_seed(seed)
    root = torch.randn(count, size, size, generator=random)
    matrices = root @ root.mT + torch.arange(1, count + 1)[:, None, None] * torch.eye(size)
    return matrices, torch.randn(count, size, 1, generator=random)


def test_it_solves_every_system_of_a_batch() -> None:
    N, b = systems(4, 12)
    x = conjugate_gradient(lambda v: N @ v, b, torch.zeros_like(b), 60)
    torch.testing.assert_close(x, torch.linalg.solve(N, b), rtol=1e-4, atol=1e-5)


def test_it_is_exact_after_as_many_steps_as_unknowns_in_float64() -> None:
    N, b = (t.double() for t in systems(1, 8))
    x = conjugate_gradient(lambda v: N @ v, b, torch.ones_like(b), 8)
    torch.testing.assert_close(x, torch.linalg.solve(N, b), rtol=1e-7, atol=1e-9)


def test_a_system_does_not_depend_on_its_neighbours() -> None:
    N, b = systems(4, 12)
    together = conjugate_gradient(lambda v: N @ v, b, torch.zeros_like(b), 5)
    for k in range(4):
        alone = conjugate_gradient(lambda v, k=k: N[k : k + 1] @ v, b[k : k + 1], torch.zeros_like(b[:1]), 5)
        torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-6, atol=1e-7)


def test_without_batch_axes_the_blocks_are_one_system() -> None:
    N, b = systems(3, 10)
    whole = torch.block_diag(*N)
    x = conjugate_gradient(lambda v: (whole @ v.reshape(-1)).reshape(v.shape), b, torch.zeros_like(b), 6, batch_dims=0)
    reference = conjugate_gradient(
        lambda v: (whole @ v.reshape(-1, 1)).reshape(v.shape), b.reshape(1, -1, 1), torch.zeros(1, 30, 1), 6
    )
    torch.testing.assert_close(x.reshape(1, -1, 1), reference)
    separate = conjugate_gradient(lambda v: N @ v, b, torch.zeros_like(b), 6)
    assert (x - separate).norm() > 1e-3 * x.norm()


def test_a_solved_or_empty_system_stays_as_it_is_among_others() -> None:
    N, b = systems(3, 8)
    b[1] = 0.0
    x0 = torch.zeros_like(b)
    x0[2] = torch.linalg.solve(N[2], b[2])
    x = conjugate_gradient(lambda v: N @ v, b, x0, 200)
    assert torch.isfinite(x).all()
    assert x[1].abs().max() == 0.0
    torch.testing.assert_close(x, torch.linalg.solve(N, b), rtol=1e-4, atol=1e-5)


def test_a_singular_consistent_system_gives_no_nan() -> None:
    N = torch.diag(torch.tensor([1.0, 2.0, 0.0]))[None]
    b = torch.tensor([[[1.0], [1.0], [0.0]]])
    x = conjugate_gradient(lambda v: N @ v, b, torch.full_like(b, 5.0), 50)
    torch.testing.assert_close(x, torch.tensor([[[1.0], [0.5], [5.0]]]))


def test_it_stops_at_the_tolerance() -> None:
    N, b = systems(2, 30)
    applied = 0

    def normal(v: Tensor) -> Tensor:
        nonlocal applied
        applied += 1
        return N @ v

    x = conjugate_gradient(normal, b, torch.zeros_like(b), 500, tolerance=1e-2)
    residual = (N @ x - b).norm(dim=1) / b.norm(dim=1)
    assert (residual <= 1.01e-2).all()
    assert applied < 60


def test_zero_iterations_return_a_copy_of_the_start() -> None:
    N, b = systems(1, 4)
    x0 = torch.ones_like(b)
    x = conjugate_gradient(lambda v: N @ v, b, x0, 0)
    assert torch.equal(x, x0)
    x += 1.0
    assert torch.equal(x0, torch.ones_like(b))


@pytest.mark.parametrize("make", [stack_operator, cone_operator])
def test_it_solves_the_normal_equations_of_a_projector(make: object) -> None:
    operator = make()  # type: ignore[operator]
    stack = operator.geometry.is_stack
    truth = image(2) if stack else image(3, 4 + 2)[:, :4, :4]
    y, rho = operator.forward(truth), 3.0
    b = operator.adjoint(y)
    x = conjugate_gradient(
        lambda v: operator.adjoint(operator.forward(v)) + rho * v,
        b,
        torch.zeros_like(truth),
        200,
        batch_dims=int(stack),
    )
    A = operator.matrix
    N = A.T @ A + rho * torch.eye(A.shape[1], dtype=A.dtype)
    expected = torch.linalg.solve(N, b.reshape(-1, A.shape[1]).T.double()).T.reshape(truth.shape)
    torch.testing.assert_close(x.double(), expected, rtol=1e-4, atol=1e-6)


def test_bad_arguments_are_refused() -> None:
    b = torch.ones(1, 2, 2)
    with pytest.raises(ValueError, match="shape"):
        conjugate_gradient(lambda v: v, b, torch.ones(1, 2, 3), 3)
    with pytest.raises(ValueError, match="iterations"):
        conjugate_gradient(lambda v: v, b, b, -1)
    with pytest.raises(ValueError, match="tolerance"):
        conjugate_gradient(lambda v: v, b, b, 1, tolerance=-1.0)
