"""When memory runs out: fewer slices at a time, then another back end, and the same answer."""

from __future__ import annotations

import logging

import pytest
import torch
from ctdiffusion.core.devices import out_of_memory
from ctdiffusion.operators import factory
from ctdiffusion.operators.compiled import has_numba
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.operators.ladder import SlicePasses
from ctdiffusion.operators.matrixfree import MatrixFree
from ctdiffusion.operators.sparse import TorchSparse
from ctdiffusion.operators.stack import StackOperator
from ctdiffusion.scan.beams import Grid, ParallelBeam, equispaced
from torch import Tensor

GRID = Grid((13, 20, 24), (1.0, 1.0, 1.0))
SCAN = ParallelBeam(equispaced(7), 31, 1.0)


class Starved(TorchSparse):
    """Refuses more slices at once than `limit`."""

    def __init__(self, limit: int, error: BaseException) -> None:
        super().__init__(SCAN, GRID, torch.device("cpu"))
        self.limit, self.error, self.calls = limit, error, []

    calls: list[int]

    def apply(self, x: Tensor) -> Tensor:
        self.calls.append(x.shape[1])
        if x.shape[1] > self.limit:
            raise self.error
        return super().apply(x)

    def transpose(self, y: Tensor) -> Tensor:
        self.calls.append(y.shape[1])
        if y.shape[1] > self.limit:
            raise self.error
        return super().transpose(y)


ERRORS = [
    MemoryError("numpy"),
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes."),
]


@pytest.mark.parametrize("error", ERRORS, ids=["host", "cuda", "allocator"])
def test_slices_per_pass_are_halved(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    starved = Starved(4, error)
    operator, reference = StackOperator(SCAN, GRID, starved), make_operator(SCAN, GRID, backend="torch")
    x = torch.randn(GRID.shape)
    with caplog.at_level(logging.WARNING):
        y = operator.forward(x)
    assert torch.allclose(y, reference.forward(x), rtol=1e-6, atol=1e-6)
    assert starved.calls == [13, 6, 3, 3, 3, 3, 1]
    assert "out of memory with 13 slices at once, trying 6" in caplog.text
    # What was learnt is kept.
    starved.calls.clear()
    assert torch.allclose(operator.adjoint(y), reference.adjoint(y), rtol=1e-6, atol=1e-5)
    assert max(starved.calls) == 3


def test_not_even_one_slice() -> None:
    operator = StackOperator(SCAN, GRID, Starved(0, MemoryError("full")))
    with pytest.raises(MemoryError, match="not enough memory for a single slice"):
        operator.forward(torch.zeros(GRID.shape))


def test_another_back_end_takes_over(caplog: pytest.LogCaptureFixture) -> None:
    spare = TorchSparse(SCAN, GRID, torch.device("cpu"))
    operator = StackOperator(SCAN, GRID, Starved(0, torch.cuda.OutOfMemoryError("full")), lambda: spare)
    x = torch.randn(GRID.shape)
    expected = make_operator(SCAN, GRID, backend="torch").forward(x)
    with caplog.at_level(logging.WARNING):
        assert torch.allclose(operator.forward(x), expected, rtol=1e-6, atol=1e-6)
    assert "continuing with the back end 'torch'" in caplog.text


def test_other_errors_pass_through() -> None:
    operator = StackOperator(SCAN, GRID, Starved(0, RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        operator.forward(torch.zeros(GRID.shape))
    assert not out_of_memory(RuntimeError("a bug")) and not out_of_memory(ValueError("out of memory"))


def test_order_of_slices_is_kept() -> None:
    passes = SlicePasses()
    passes.slices_per_pass = 3
    stack = torch.arange(10.0)[:, None, None]
    assert torch.equal(passes.run(lambda part: part + 1, stack), stack + 1)


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
def test_large_matrices_are_not_stored() -> None:
    small = make_operator(SCAN, GRID)
    large = make_operator(SCAN, GRID, memory_limit=10_000)
    assert (small.backend, large.backend) == ("csr", "matrixfree")
    x = torch.randn(GRID.shape)
    assert torch.allclose(small.forward(x), large.forward(x), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@pytest.mark.parametrize(("limit", "stored"), [(None, True), (10_000, False)])
def test_a_limit_counts_on_a_gpu_as_well(monkeypatch: pytest.MonkeyPatch, limit: int | None, stored: bool) -> None:
    class Stored(MatrixFree):
        name = "torch"

    monkeypatch.setattr(factory, "TorchSparse", lambda geometry, grid, device: Stored(geometry, grid))
    operator = make_operator(SCAN, GRID, "cuda", memory_limit=limit)
    assert operator.backend == ("torch" if stored else "matrixfree")
