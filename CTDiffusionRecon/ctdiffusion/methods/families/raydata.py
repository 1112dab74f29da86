"""What a solver takes from a measurement: data, weights, and the shape of an empty image."""

from __future__ import annotations

import torch
from torch import Tensor

from ...solvers.inner import inner, ratio
from ...solvers.noise_level import noise_level
from ..problem import Problem

# Standard deviation that stands for the model's error where the data have no noise, relative to a typical datum.
MODEL_ERROR = 0.002


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


def assumed_weights(data: Tensor, noise_free: bool, is_stack: bool) -> Tensor:
    """Weights of the shape of the data where no variance is known: one for each slice (each volume of a cone beam).

    Noise-free data get a small model error; others the noise that shows in them, and at least that error.
    """
    dims = int(is_stack)
    sigma = MODEL_ERROR * typical(data, dims)
    if not noise_free:
        sigma = torch.maximum(sigma, noise_level(data, dims))
    return sigma.square().reciprocal().expand_as(data)


def typical(values: Tensor, batch_dims: int) -> Tensor:
    """sum v^2 / sum |v|: the typical size of what is there, however much emptiness lies around it; 1 where all is 0."""
    size = ratio(inner(values, values, batch_dims), inner(values.abs(), torch.ones_like(values), batch_dims))
    return torch.where(size > 0, size, 1.0)
