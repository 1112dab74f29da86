"""What a back end for parallel and fan beams has to offer."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class SliceProjector(Protocol):
    """One slice's matrix A applied to many slices as dense columns.

    Attributes:
        name: name of the back end.
        device: where `apply` and `transpose` want their input.
        dtype: the floating type they compute in.
        lanes: slices that its vector instructions take at once; what is left over costs nearly as much.
    """

    name: str
    device: torch.device
    dtype: torch.dtype
    lanes: int

    def apply(self, x: Tensor) -> Tensor:
        """A x: contiguous `[pixel, slice]` to `[ray, slice]`."""

    def transpose(self, y: Tensor) -> Tensor:
        """A' y: contiguous `[ray, slice]` to `[pixel, slice]`."""
