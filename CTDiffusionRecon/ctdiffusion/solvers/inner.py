"""Inner products per slice, so that no slice's answer depends on its neighbours in the batch (contract C6)."""

from __future__ import annotations

import torch
from torch import Tensor


def inner(a: Tensor, b: Tensor, batch_dims: int) -> Tensor:
    """<a, b> over all but the first `batch_dims` axes, which stay (the others keep length 1 for broadcasting).

    Sums of rows are added in float64 (where the device has it): the order of summation, which torch chooses by the
    size of the batch, then leaves no trace in the float32 result.
    """
    axes = tuple(range(batch_dims, a.ndim))
    wide = a.dtype if a.device.type == "mps" else torch.float64
    # Widening only the sums of rows saves a float64 copy of the whole array.
    return (a * b).sum(dim=-1, keepdim=True).sum(dim=axes, keepdim=True, dtype=wide).to(a.dtype)


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, 0 where the denominator is not positive: a slice that has converged takes no step."""
    safe = torch.where(denominator > 0, denominator, torch.ones_like(denominator))
    return torch.where(denominator > 0, numerator / safe, torch.zeros_like(numerator))
