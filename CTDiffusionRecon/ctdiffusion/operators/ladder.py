"""The memory ladder: when memory runs out, do fewer slices at a time; the result does not change."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from ..core.devices import out_of_memory

LOG = logging.getLogger(__name__)


class SlicePasses:
    """Applies a slice-wise function to stacks `[slice, ...]`, in as many passes as memory demands.

    The number of slices per pass is halved whenever memory runs out, and stays reduced.
    """

    def __init__(self) -> None:
        self.slices_per_pass: int | None = None

    def run(self, function: Callable[[Tensor], Tensor], stack: Tensor) -> Tensor:
        """`function` of the whole stack.

        Raises:
            MemoryError: not even one slice fits.
        """
        done: list[Tensor] = []
        first = 0
        while first < len(stack) or not done:
            size = max(1, min(self.slices_per_pass or len(stack), len(stack) - first))
            try:
                done.append(function(stack[first : first + size]))
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if size == 1:
                    raise MemoryError(f"projector: not enough memory for a single slice ({error})") from error
                self.slices_per_pass = size // 2
                LOG.warning("projector: out of memory with %d slices at once, trying %d", size, size // 2)
            else:
                first += size
        return done[0] if len(done) == 1 else torch.cat(done)
