"""Conjugate gradients for symmetric positive (semi)definite systems."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .inner import inner, ratio


def conjugate_gradient(
    normal: Callable[[Tensor], Tensor],
    b: Tensor,
    x0: Tensor,
    iterations: int,
    tolerance: float = 0.0,
    batch_dims: int = 1,
    precondition: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Solve N x = b, e.g. (A' W A + rho I) x = A' W y + rho z.

    Every index of the first `batch_dims` axes is a system of its own with its own alpha and beta: 1 for a stack of
    independent slices `[slice, row, column]`, 0 for a volume of one system (cone beam). A system whose residual has
    fallen to `tolerance` ||b||, or that has no curvature left, stands still while the others go on.

    Args:
        normal: x -> N x, acting on each system alone.
        b: right-hand side.
        x0: starting point, of the same shape; not changed.
        iterations: applications of `normal`, besides the one that gives the first residual (which a zero x0 saves).
        tolerance: relative residual ||N x - b|| / ||b|| at which a system is finished.
        batch_dims: leading axes that number independent systems.
        precondition: r -> M r, symmetric positive definite and near the inverse of N; it too acts on each alone.

    Returns:
        x, of the shape of b.

    Raises:
        ValueError: shapes that differ, or a negative count or tolerance.

    Source: Hestenes & Stiefel 1952, doi:10.6028/jres.049.044.
    """
    if b.shape != x0.shape:
        raise ValueError(f"b has shape {tuple(b.shape)}, x0 {tuple(x0.shape)}")
    if iterations < 0 or tolerance < 0:
        raise ValueError(f"iterations and tolerance must not be negative, got {iterations} and {tolerance}")
    x = x0.clone()
    r = b - normal(x) if bool(x.any()) else b.clone()
    z = r if precondition is None else precondition(r)
    p = z.clone()
    rr = inner(r, r, batch_dims)
    rz = rr if precondition is None else inner(r, z, batch_dims)
    # A residual below rounding cannot be reduced further; iterating on it only amplifies noise.
    threshold = max(tolerance, torch.finfo(b.dtype).eps) ** 2 * inner(b, b, batch_dims)
    for _ in range(iterations):
        active = rr > threshold
        if not bool(active.any()):
            break
        Np = normal(p)
        alpha = torch.where(active, ratio(rz, inner(p, Np, batch_dims)), 0.0)
        x += alpha * p
        r -= alpha * Np
        rr = inner(r, r, batch_dims)
        z = r if precondition is None else precondition(r)
        rz_new = rr if precondition is None else inner(r, z, batch_dims)
        p.mul_(torch.where(active, ratio(rz_new, rz), 0.0)).add_(z)
        rz = rz_new
    return x
