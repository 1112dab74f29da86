"""Back ends that store the Joseph matrix: numba on the CPU, torch anywhere."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..scan.beams import FanBeam, Grid, ParallelBeam
from .compiled import pieces_of_work
from .joseph import SparseMatrix, joseph_matrices
from .rays import rays_of


class NumbaSparse:
    """A and A' in memory, multiplied by numba kernels. float32, CPU."""

    name = "csr"
    device = torch.device("cpu")
    dtype = torch.float32
    lanes = 8

    def __init__(self, geometry: ParallelBeam | FanBeam, grid: Grid) -> None:
        self._matrix, self._transpose = joseph_matrices(rays_of(geometry), grid)

    def apply(self, x: Tensor) -> Tensor:
        return _multiply(self._matrix, x)

    def transpose(self, y: Tensor) -> Tensor:
        return _multiply(self._transpose, y)


def _multiply(matrix: SparseMatrix, x: Tensor) -> Tensor:
    from .kernels.spmm import multiply

    alone = x.shape[1] == 1
    if alone:
        # A slice must come out with the same bits alone as among others (contract C6); with one column the compiler
        # would vectorise the sum over the coefficients instead, in another order.
        x = x.expand(-1, 2).contiguous()
    out: NDArray[np.float32] = np.empty((matrix.shape[0], x.shape[1]), np.float32)
    multiply(matrix.indptr, matrix.indices, matrix.values, x.numpy(), out, pieces_of_work())
    return torch.from_numpy(out[:, :1].copy() if alone else out)


class TorchSparse:
    """A and A' as torch CSR tensors, on the CPU or a CUDA device, in float32 or float64."""

    name = "torch"
    lanes = 1

    def __init__(
        self,
        geometry: ParallelBeam | FanBeam,
        grid: Grid,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = device, dtype
        scalar = np.float64 if dtype == torch.float64 else np.float32
        matrix, transpose = joseph_matrices(rays_of(geometry), grid, scalar)
        self._matrix, self._transpose = _csr_tensor(matrix, device), _csr_tensor(transpose, device)

    def apply(self, x: Tensor) -> Tensor:
        return _product(self._matrix, x)

    def transpose(self, y: Tensor) -> Tensor:
        return _product(self._transpose, y)


def _csr_tensor(matrix: SparseMatrix, device: torch.device) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.values),
            size=matrix.shape,
            check_invariants=False,
        ).to(device)


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    if x.device.type == "cpu" and not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        # The plain product of CSR matrices needs MKL on the CPU; the reducing one is a kernel of torch's own.
        return torch.sparse.mm(matrix, x, "sum")  # type: ignore[no-any-return]
    return matrix @ x
