"""How far a reconstruction is from the measurement it was made from."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from ..scan.projections import Projections


def misfit(operator: LinearOperator, mu: Tensor, projections: Projections) -> dict[str, float | None]:
    """Data misfit of an attenuation volume `[slice, row, column]` in 1/mm.

    * `relative`: ||A x - y|| / ||y|| over the live detector pixels; None where y is zero.
    * `chi2`: mean of (A x - y)^2 / variance over them, 1 when the residual is noise alone; None where the variance is
      unknown.
    """
    y, variance = projections.data, projections.variance
    residual = operator.forward(mu.to(y.device)) - y
    error, size, weighted, count = 0.0, 0.0, 0.0, 0
    for index in range(y.shape[0]):
        part, data = residual[index], y[index]
        if variance is not None:
            own = variance[index]
            live = torch.isfinite(own) & (own > 0)
            if not bool(live.all()):
                part, data, own = part[live], data[live], own[live]
            weighted += _sum(lambda r, v: r * r / v, part, own)
            count += part.numel()
        error += _sum(lambda r: r * r, part)
        size += _sum(lambda d: d * d, data)
    chi2 = weighted / count if count else None
    return {"relative": math.sqrt(error / size) if size > 0 else None, "chi2": chi2}


def _sum(function: Callable[..., Tensor], *values: Tensor) -> float:
    """Sum of a function's values, rows in single precision and their sums in double; all in double on overflow."""
    rows = function(*values)
    total = float(rows.sum(-1).double().sum()) if rows.ndim else float(rows)
    return total if math.isfinite(total) else float(function(*(v.double() for v in values)).sum())
