"""One call that chooses the projector for a geometry, a grid and a device."""

from __future__ import annotations

import torch

from ..core.devices import out_of_memory
from ..scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam
from .base import LinearOperator
from .compiled import has_numba
from .cone import ConeOperator
from .cone_cuda import DiffctCone, has_diffct
from .cone_numba import NumbaCone
from .cone_torch import TorchCone
from .joseph import BYTES_PER_ENTRY, MOST_ENTRIES, entries
from .matrixfree import MatrixFree
from .rays import rays_of
from .slice_projector import SliceProjector
from .sparse import NumbaSparse, TorchSparse
from .stack import StackOperator
from .torch_radon import TorchRadonOperator

STACK_BACKENDS = ("csr", "torch", "matrixfree", "torch-radon")
CONE_BACKENDS = ("cone", "torch", "diffct", "torch-radon")
# Bytes of a stored matrix and its transpose on the CPU, unless told otherwise.
CPU_LIMIT = 1_000_000_000


def make_operator(
    geometry: Geometry,
    grid: Grid,
    device: torch.device | str = "cpu",
    backend: str = "auto",
    memory_limit: int | None = None,
) -> LinearOperator:
    """The projector of `geometry` on `grid`.

    Args:
        geometry: the scan.
        grid: the voxel grid.
        device: where the projector computes; input on another device is brought there and the result back.
        backend: "auto", or one of csr, torch, matrixfree (parallel and fan), cone, torch, diffct (cone), torch-radon.
        memory_limit: bytes that a stored matrix and its transpose may take; above it the coefficients are computed on
            the fly, on the CPU. None: a gigabyte on the CPU, no limit on a GPU.

    Raises:
        ValueError: a back end that does not exist, does not fit the geometry or is not installed; a geometry whose
            source passes through the volume.
    """
    device = torch.device(device)
    geometry.check(grid)  # raises where the source is inside; its warnings are for whoever reports to the user
    known = STACK_BACKENDS if geometry.is_stack else CONE_BACKENDS
    if backend not in ("auto", *known):
        names = ", ".join(("auto", *known))
        raise ValueError(f"backend: {backend!r} does not project {geometry.kind} beams (known: {names})")
    if backend == "torch-radon":
        return TorchRadonOperator(geometry, grid, device)
    if geometry.is_stack:
        return _stack_operator(geometry, grid, device, backend, memory_limit)
    return _cone_operator(geometry, grid, device, backend)


def _stack_operator(
    geometry: ParallelBeam | FanBeam, grid: Grid, device: torch.device, backend: str, memory_limit: int | None
) -> LinearOperator:
    if backend == "auto":
        backend = "torch" if device.type == "cuda" or not has_numba() else "csr"
        if has_numba():
            if memory_limit is None and backend == "csr":
                memory_limit = CPU_LIMIT
            size = entries(rays_of(geometry), grid)
            if size >= MOST_ENTRIES or (memory_limit is not None and size * BYTES_PER_ENTRY > memory_limit):
                backend = "matrixfree"
    if backend in ("csr", "matrixfree"):
        _require_numba(backend)
    if backend == "csr":
        return StackOperator(geometry, grid, NumbaSparse(geometry, grid), lambda: MatrixFree(geometry, grid))
    if backend == "matrixfree":
        return StackOperator(geometry, grid, MatrixFree(geometry, grid))

    def on_cpu() -> SliceProjector:
        if has_numba():
            return MatrixFree(geometry, grid)
        return TorchSparse(geometry, grid, torch.device("cpu"))

    # Sparse matrices live on the CPU and on CUDA only.
    place = device if device.type == "cuda" else torch.device("cpu")
    try:
        return StackOperator(geometry, grid, TorchSparse(geometry, grid, place), on_cpu)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error) or place.type == "cpu":
            raise
        return StackOperator(geometry, grid, on_cpu())


def _cone_operator(geometry: ConeBeam, grid: Grid, device: torch.device, backend: str) -> LinearOperator:
    if backend == "auto":
        backend = "cone" if has_numba() else "torch"
        if device.type == "cuda":
            backend = "diffct" if has_diffct() else "torch"
    if backend == "cone":
        _require_numba(backend)
        return ConeOperator(geometry, grid, NumbaCone(geometry, grid))
    if backend == "diffct":
        return ConeOperator(geometry, grid, DiffctCone(geometry, grid, device))
    return ConeOperator(geometry, grid, TorchCone(geometry, grid, device))


def _require_numba(backend: str) -> None:
    if not has_numba():
        raise ValueError(f"backend: {backend!r} needs numba, which is not installed (pip install numba)")
