"""What a solver takes from a measurement: data, weights, and the shape of an empty image."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registry import Problem


def data_and_weights(problem: Problem) -> tuple[Tensor, Tensor | None]:
    """Line integrals and their weights 1 / variance (None where the variance is unknown).

    A dead detector pixel has weight 0 and, whatever it read, the datum 0: 0 times infinity would spoil every sum.

    Raises:
        ValueError: a variance that is zero, negative or not a number.
    """
    projections = problem.projections
    if projections.variance is None:
        return projections.data, None
    if not bool((projections.variance > 0).all()):
        raise ValueError("projections.variance: must be positive (infinite at dead pixels)")
    weights = projections.variance.reciprocal()
    return torch.where(weights > 0, projections.data, 0.0), weights


def empty_image(problem: Problem) -> Tensor:
    """Zeros `[slice, row, column]`, as many slices as were measured."""
    projections = problem.projections
    slices = projections.data.shape[0] if projections.geometry.is_stack else problem.grid.shape[0]
    return projections.data.new_zeros((slices, *problem.grid.shape[1:]))
