"""Discrete gradient of a volume in physical units, and its transpose."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient(x: Tensor, spacing: tuple[float, float, float], along_z: bool) -> Tensor:
    """Forward differences of `[slice, row, column]` per mm, 0 beyond the border.

    Returns:
        `[axis, slice, row, column]` with axes (row, column), or (row, column, slice) where `along_z`.
    """
    axes = 3 if along_z else 2
    g = torch.zeros((axes, *x.shape), dtype=x.dtype, device=x.device)
    torch.sub(x[:, 1:], x[:, :-1], out=g[0, :, :-1]).div_(spacing[1])
    torch.sub(x[:, :, 1:], x[:, :, :-1], out=g[1, :, :, :-1]).div_(spacing[2])
    if along_z:
        torch.sub(x[1:], x[:-1], out=g[2, :-1]).div_(spacing[0])
    return g


def gradient_transpose(p: Tensor, spacing: tuple[float, float, float]) -> Tensor:
    """The exact transpose of `gradient` (minus the divergence), `[slice, row, column]`."""
    out = torch.zeros_like(p[0])
    out[:, 1:].add_(p[0, :, :-1], alpha=1.0 / spacing[1])
    out[:, :-1].sub_(p[0, :, :-1], alpha=1.0 / spacing[1])
    out[:, :, 1:].add_(p[1, :, :, :-1], alpha=1.0 / spacing[2])
    out[:, :, :-1].sub_(p[1, :, :, :-1], alpha=1.0 / spacing[2])
    if p.shape[0] == 3:
        out[1:].add_(p[2, :-1], alpha=1.0 / spacing[0])
        out[:-1].sub_(p[2, :-1], alpha=1.0 / spacing[0])
    return out


def length(g: Tensor) -> Tensor:
    """|g| of the two in-plane components, `[slice, row, column]`."""
    # torch.linalg.vector_norm over a leading axis takes ten times as long.
    return (g[0] * g[0]).addcmul_(g[1], g[1]).sqrt_()
