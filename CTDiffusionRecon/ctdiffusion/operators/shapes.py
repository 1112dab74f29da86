"""Refusals of arrays that do not fit an operator."""

from __future__ import annotations

from torch import Tensor

from ..scan.beams import Geometry, Grid


def check_volume(x: Tensor, geometry: Geometry, grid: Grid) -> None:
    """Raise ValueError unless `x` is a volume of this grid (any number of slices for parallel and fan beams)."""
    slices, rows, columns = grid.shape
    expected = ("any" if geometry.is_stack else slices, rows, columns)
    if x.ndim != 3 or tuple(x.shape[1:]) != (rows, columns) or (not geometry.is_stack and x.shape[0] != slices):
        raise ValueError(
            f"volume has shape {tuple(x.shape)}, the operator needs [slice, row, column] = {_text(expected)}"
        )


def check_projections(y: Tensor, geometry: Geometry) -> None:
    """Raise ValueError unless `y` are projections of this geometry."""
    axes = "[slice, view, column]" if geometry.is_stack else "[view, row, column]"
    shape = geometry.data_shape(y.shape[0] if y.ndim == 3 else 1)
    if tuple(y.shape) != shape:
        expected = ("any", *shape[1:]) if geometry.is_stack else shape
        raise ValueError(
            f"projections have shape {tuple(y.shape)}, the {geometry.kind} operator needs {axes} = {_text(expected)}"
        )


def _text(shape: tuple[object, ...]) -> str:
    return f"({', '.join(str(n) for n in shape)})"
