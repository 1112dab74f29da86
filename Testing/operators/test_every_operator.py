"""What every projector has to fulfil, whatever its geometry and back end."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.operators.base import LinearOperator
from ctdiffusion.operators.factory import make_operator
from operators.catalogue import CASES, Case, every_operator
from operators.phantoms import relative_error
from torch import Tensor


def _volume(case: Case, seed: int = 0, slices: int | None = None) -> Tensor:
    count = case.grid.shape[0] if slices is None else slices
    return torch.randn((count, *case.grid.shape[1:]), generator=torch.Generator().manual_seed(seed))


def _projections(case: Case, seed: int = 1) -> Tensor:
    shape = case.geometry.data_shape(case.grid.shape[0])
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _mismatch(operator: LinearOperator, x: Tensor, y: Tensor) -> float:
    """|<Ax, y> - <x, A'y>| / (||Ax|| ||y||), sums in float64."""
    projected, back = operator.forward(x).double(), operator.adjoint(y).double()
    difference = (projected * y.double()).sum() - (x.double() * back).sum()
    return float(difference.abs() / (projected.norm() * y.double().norm()))


@every_operator
def test_adjoint_is_the_transpose(case: Case) -> None:
    operator = case.make()
    assert operator.matched
    assert _mismatch(operator, _volume(case), _projections(case)) <= 1e-6


@every_operator
def test_adjoint_is_the_transpose_pixel_by_pixel(case: Case) -> None:
    """A sum over random data could hide one wrong corner; single pixels and rays cannot."""
    operator = case.make()
    x = torch.zeros(case.grid.shape)
    y = torch.zeros(case.geometry.data_shape(case.grid.shape[0]))
    for place in [(0, 0, 0), (-1, -1, -1), (0, -1, 0), (1, 5, 7)]:
        x.zero_()[place] = 1.0
        projected = operator.forward(x)
        ray = torch.unravel_index(projected.abs().argmax(), projected.shape)
        y.zero_()[ray] = 1.0
        assert float(operator.adjoint(y)[place]) == pytest.approx(float(projected[ray]), rel=2e-6, abs=1e-7)


@every_operator
def test_linear(case: Case) -> None:
    operator = case.make()
    a, b = _volume(case, 0), _volume(case, 2)
    together = operator.forward(2.0 * a - 3.0 * b)
    assert relative_error(together, 2.0 * operator.forward(a) - 3.0 * operator.forward(b)) < 2e-6
    c, d = _projections(case, 3), _projections(case, 4)
    together = operator.adjoint(2.0 * c - 3.0 * d)
    assert relative_error(together, 2.0 * operator.adjoint(c) - 3.0 * operator.adjoint(d)) < 2e-6
    together = operator.fbp(2.0 * c - 3.0 * d)
    assert relative_error(together, 2.0 * operator.fbp(c) - 3.0 * operator.fbp(d)) < 2e-6


@every_operator
def test_zero_in_zero_out(case: Case) -> None:
    operator = case.make()
    x, y = torch.zeros_like(_volume(case)), torch.zeros_like(_projections(case))
    assert torch.count_nonzero(operator.forward(x)) == 0
    assert torch.count_nonzero(operator.adjoint(y)) == 0
    assert torch.count_nonzero(operator.fbp(y)) == 0


@every_operator
def test_shapes_and_types(case: Case) -> None:
    operator = case.make()
    x = _volume(case)
    y = operator.forward(x.double())
    assert y.shape == case.geometry.data_shape(x.shape[0])
    back, reconstruction = operator.adjoint(y.double()), operator.fbp(y.double())
    assert back.shape == reconstruction.shape == x.shape
    assert y.dtype == back.dtype == reconstruction.dtype == torch.float32
    assert y.is_contiguous() and back.is_contiguous()


@every_operator
def test_input_is_left_alone_and_may_be_strided(case: Case) -> None:
    operator = case.make()
    x = _volume(case)
    strided = x.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    assert torch.equal(operator.forward(strided), operator.forward(x))
    y = _projections(case)
    kept = y.clone()
    operator.adjoint(y)
    operator.fbp(y)
    assert torch.equal(y, kept)


@every_operator
def test_wrong_shapes_are_named(case: Case) -> None:
    operator = case.make()
    x, y = _volume(case), _projections(case)
    with pytest.raises(ValueError, match=r"volume has shape .*\[slice, row, column\]"):
        operator.forward(x.transpose(1, 2))
    with pytest.raises(ValueError, match="volume has shape"):
        operator.forward(x[0])
    for function in (operator.adjoint, operator.fbp):
        with pytest.raises(ValueError, match=r"projections have shape .*column\]"):
            function(y.transpose(1, 2))
    if not case.geometry.is_stack:
        with pytest.raises(ValueError, match="volume has shape"):
            operator.forward(x[1:])


@every_operator
def test_unknown_window_is_named(case: Case) -> None:
    with pytest.raises(ValueError, match="filter: 'sharp' is unknown"):
        case.make().fbp(_projections(case), "sharp")


@every_operator
def test_views_can_be_taken_apart(case: Case) -> None:
    operator, chosen = case.make(), [4, 1, 7]
    x = _volume(case)
    whole = operator.forward(x).index_select(1 if case.geometry.is_stack else 0, torch.tensor(chosen))
    few = make_operator(case.geometry.subset(chosen), case.grid, backend=case.backend)
    assert torch.equal(few.forward(x), whole)


@pytest.mark.parametrize("case", [c for c in CASES if c.geometry.is_stack], ids=str)
def test_slices_are_independent(case: Case) -> None:
    operator = case.make()
    x = _volume(case, slices=11)
    whole = operator.forward(x)
    for k in (0, 4, 10):
        assert relative_error(operator.forward(x[k : k + 1])[0], whole[k]) < 1e-6
    y = operator.adjoint(whole)
    assert relative_error(operator.adjoint(whole[3:5]), y[3:5]) < 1e-6
    assert operator.forward(x[:0]).shape == (0, *whole.shape[1:])


@pytest.mark.parametrize("case", [c for c in CASES if c.backend in ("csr", "matrixfree")], ids=str)
@pytest.mark.parametrize("width", [1, 2, 5, 8, 31])
def test_bits_of_a_slice_do_not_depend_on_its_company(case: Case, width: int) -> None:
    operator = case.make()
    x = _volume(case, slices=40)
    y, back = operator.forward(x), operator.adjoint(operator.forward(x))
    part = slice(7, 7 + width)
    assert torch.equal(operator.forward(x[part]), y[part])
    assert torch.equal(operator.adjoint(y[part]), back[part])
    assert torch.equal(operator.fbp(y[part]), operator.fbp(y)[part])


@pytest.mark.parametrize("case", [c for c in CASES if c.backend not in ("auto", "diffct", "torch")], ids=str)
def test_matched_backends_agree(case: Case) -> None:
    """All own back ends are the same matrix. (diffct's is another discretisation.)"""
    operator, reference = case.make(), Case(case.geometry_name, "torch").make()
    x, y = _volume(case), _projections(case)
    assert relative_error(operator.forward(x), reference.forward(x)) < 1e-5
    assert relative_error(operator.adjoint(y), reference.adjoint(y)) < 1e-5


@pytest.mark.parametrize("case", [c for c in CASES if c.backend == "torch"], ids=str)
def test_norm_is_the_largest_singular_value(case: Case) -> None:
    operator = case.make()
    norm = operator.norm(20)
    x = torch.rand(1 if case.geometry.is_stack else case.grid.shape[0], *case.grid.shape[1:])
    assert float(operator.forward(x).norm() / x.norm()) <= norm * (1 + 1e-4)
    assert norm == pytest.approx(operator.norm(30), rel=1e-2)
