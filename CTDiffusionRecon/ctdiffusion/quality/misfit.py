"""How far a reconstruction is from the measurement it was made from."""

from __future__ import annotations

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
    if variance is None:
        return {"relative": _ratio(residual, y), "chi2": None}
    live = torch.isfinite(variance) & (variance > 0)
    residual, y, variance = residual[live], y[live], variance[live]
    chi2 = float((residual.double() ** 2 / variance.double()).mean()) if residual.numel() else None
    return {"relative": _ratio(residual, y), "chi2": chi2}


def _ratio(residual: Tensor, y: Tensor) -> float | None:
    size = float(y.double().norm())
    return float(residual.double().norm()) / size if size > 0 else None
