"""Interpolation along the slices as a small matrix, with thick and thin slices at their true places."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..operators.slice_average import SliceAverage, along_slices

# A spline that reproduces the thick slices may amplify their noise by this times what undoing the profile does.
_GAIN = 3.0


def interpolation_matrix(thick_slices: int, factor: int, order: int) -> Tensor:
    """Spline interpolation of degree `order`, `[thin slice, thick slice]`, float64.

    Thin slice i lies at (i + 1/2) / f - 1/2 in thick slices; beyond the outermost centres their values go on.
    """
    from scipy.ndimage import map_coordinates

    places = (np.arange(thick_slices * factor) + 0.5) / factor - 0.5
    places = places.clip(0.0, thick_slices - 1.0)
    columns = [map_coordinates(unit, places[None], order=order, mode="mirror") for unit in np.eye(thick_slices)]
    return torch.from_numpy(np.stack(columns, 1))


def consistent_spline(operator: SliceAverage, order: int = 3) -> Tensor:
    """W `[thin slice, thick slice]` with A W = I: thin slices near a spline whose thick slices are the given ones.

    W = U (A U)^-1 stays a spline, but A U may be nearly singular where profiles overlap. Where W would make noise
    stronger than the slices themselves demand, it is U + A+ (I - A U), the nearest to the spline U through the values.
    """
    A, U = operator.matrix(), interpolation_matrix(operator.thick_slices, operator.factor, order)
    W: Tensor = torch.linalg.solve_ex(A @ U, U, left=False)[0]
    bound = _GAIN * operator.noise_gain * math.sqrt(operator.factor)
    if not bool(W.isfinite().all()) or float(torch.linalg.matrix_norm(W, 2)) > bound:
        W = U + torch.linalg.pinv(A) @ (torch.eye(operator.thick_slices, dtype=U.dtype) - A @ U)
    return W


def interpolate(thick: Tensor, operator: SliceAverage, order: int, consistent: bool) -> Tensor:
    """Thin slices from thick ones `[slice, row, column]`.

    Args:
        thick: thick slices.
        operator: thin to thick slices.
        order: 1 linear, 3 cubic.
        consistent: choose thin slices whose thick ones A x are the measured ones (see `consistent_spline`) instead of
            the spline that passes through their values at their centres, x = U y.
    """
    if consistent:
        return along_slices(consistent_spline(operator, order), thick)
    return along_slices(interpolation_matrix(operator.thick_slices, operator.factor, order), thick)
