"""CGLS: conjugate gradients for least squares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..operators.base import LinearOperator
from .inner import inner, ratio


def cgls(
    operator: LinearOperator,
    y: Tensor,
    x0: Tensor,
    iterations: int,
    weights: Tensor | None = None,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Minimise ||A x - y||_W^2 without forming A'WA.

    Keeps the residual in the data domain, which loses fewer digits than conjugate gradients on the normal equations.
    It regularises by stopping early. Every slice of a stack has its own step lengths; a cone-beam
    volume has one.

    Args:
        operator: A.
        y: line integrals.
        x0: first image `[slice, row, column]` in 1/mm; not changed.
        iterations: each costs one forward and one back-projection.
        weights: W of the shape of y, 1 / variance; None counts every ray alike.
        callback: called after every iteration with the number done and the image, which it must not change.

    Returns:
        x, `[slice, row, column]` in 1/mm.

    Raises:
        ValueError: a negative count or weight.

    Source: Hestenes & Stiefel 1952, doi:10.6028/jres.049.044; Bjorck 1996, doi:10.1137/1.9781611971484, section 7.4.
    """
    if iterations < 0:
        raise ValueError(f"iterations must not be negative, got {iterations}")
    if weights is not None and not bool((weights >= 0).all()):
        raise ValueError("weights must not be negative")
    dims = 1 if operator.geometry.is_stack else 0
    S = torch.ones_like(y) if weights is None else weights.sqrt()
    x = x0.clone()
    r = S * (y - operator.forward(x)) if bool(x.any()) else S * y
    s = operator.adjoint(S * r)
    p = s.clone()
    gamma = inner(s, s, dims)
    # Below rounding the normal residual cannot fall further.
    start = operator.adjoint(S * S * y)
    floor = torch.finfo(y.dtype).eps ** 2 * inner(start, start, dims)
    for step in range(1, iterations + 1):
        active = gamma > floor
        if not bool(active.any()):
            break
        q = S * operator.forward(p)
        alpha = torch.where(active, ratio(gamma, inner(q, q, dims)), 0.0)
        x += alpha * p
        r -= alpha * q
        s = operator.adjoint(S * r)
        gamma_new = inner(s, s, dims)
        p.mul_(torch.where(active, ratio(gamma_new, gamma), 0.0)).add_(s)
        gamma = gamma_new
        if callback is not None:
            callback(step, x)
    return x
