"""Total variation to high accuracy by another algorithm: ADMM with direct solves, in float64, on a dense matrix."""

from __future__ import annotations

import torch
from ctdiffusion.solvers.gradient import gradient
from torch import Tensor


def reference_tv(
    A: Tensor, y: Tensor, W: Tensor, shape: tuple[int, int, int], spacing: tuple[float, float, float],
    strength: float, z_weight: float = 0.0, nonnegative: bool = True, iterations: int = 3000, rho: float = 1e4,
) -> Tensor:  # fmt: skip
    """x of shape `shape`; A, y and W in float64, `y` and `W` flat."""
    along_z = z_weight > 0.0
    voxels = A.shape[1]
    basis = torch.eye(voxels, dtype=torch.float64).reshape(voxels, *shape)
    D = torch.stack([gradient(e, spacing, along_z).reshape(-1) for e in basis], dim=1)
    N = A.T @ (W[:, None] * A) + rho * D.T @ D + rho * torch.eye(voxels, dtype=torch.float64)
    factor = torch.linalg.cholesky(N)
    b = A.T @ (W * y)
    bound = strength * spacing[1] * spacing[2] / rho
    d = torch.zeros(D.shape[0], dtype=torch.float64)
    e, q = d.clone(), torch.zeros(voxels, dtype=torch.float64)
    f = q.clone()
    for _ in range(iterations):
        right = b + rho * D.T @ (d - e) + rho * (q - f)
        x = torch.cholesky_solve(right[:, None], factor)[:, 0]
        u = (D @ x + e).reshape(3 if along_z else 2, -1)
        size = u[:2].norm(dim=0).clamp(min=1e-300)
        shrunk = u.clone()
        shrunk[:2] *= (1.0 - bound / size).clamp(min=0.0)
        if along_z:
            shrunk[2] = u[2].sign() * (u[2].abs() - z_weight * bound).clamp(min=0.0)
        d, e = shrunk.reshape(-1), (u - shrunk).reshape(-1)
        q = (x + f).clamp(min=0.0) if nonnegative else x + f
        f = f + x - q
    return q.reshape(shape)
