"""SIRT: the simultaneous iterative reconstruction technique."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from .inner import ratio


def sirt(
    operator: LinearOperator,
    y: Tensor,
    x0: Tensor,
    iterations: int,
    relaxation: float = 1.0,
    nonnegative: bool = True,
    live: Tensor | None = None,
    callback: Callable[[int, Tensor], None] | None = None,
    weights: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """x <- x + relaxation C A' R (y - A x), with R and C the reciprocals of the row and column sums of A.

    Every iteration lowers ||A x - y||_R, whatever the scale of A.

    Args:
        operator: A, with coefficients that are not negative.
        y: line integrals.
        x0: first image `[slice, row, column]` in 1/mm; not changed.
        iterations: each costs one forward and one back-projection.
        relaxation: step length in (0, 2).
        nonnegative: whether negative attenuation is set to 0 after every iteration.
        live: 1 where a ray counts and 0 where its detector pixel is dead, of the shape of y; None counts all.
        callback: called after every iteration with the number done and the image, which it must not change.
        weights: (R, C) from `sirt_weights` with the same `live`, for a caller that iterates often.

    Returns:
        x, `[slice, row, column]` in 1/mm.

    Raises:
        ValueError: a negative count, or a relaxation outside (0, 2), where SIRT does not converge.

    Source: Gilbert 1972, doi:10.1016/0022-5193(72)90180-4; weights and convergence as in Gregor & Benson 2008,
    doi:10.1109/TMI.2008.923696.
    """
    if iterations < 0:
        raise ValueError(f"iterations must not be negative, got {iterations}")
    if not 0.0 < relaxation < 2.0:
        raise ValueError(f"relaxation must lie between 0 and 2, got {relaxation!r}")
    R, C = weights or sirt_weights(operator, y, x0, live)
    C = relaxation * C
    x = x0.clamp(min=0.0) if nonnegative else x0.clone()
    for step in range(1, iterations + 1):
        residual = y - operator.forward(x)
        x.addcmul_(C, operator.adjoint(residual.mul_(R)))
        if nonnegative:
            x.clamp_(min=0.0)
        if callback is not None:
            callback(step, x)
    return x


def sirt_weights(operator: LinearOperator, y: Tensor, x: Tensor, live: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """R and C: the reciprocals of the row and column sums of A, 0 where a ray or voxel is not met.

    Args:
        operator: A.
        y, x: line integrals and image, for their shapes; of a stack one slice serves all.
        live: as for `sirt`.
    """
    counted = torch.ones_like(y[:1] if operator.geometry.is_stack else y) if live is None else live
    rows = operator.forward(torch.ones_like(x[:1] if operator.geometry.is_stack else x))
    columns = operator.adjoint(counted)
    return counted * ratio(torch.ones_like(rows), rows), ratio(torch.ones_like(columns), columns)
