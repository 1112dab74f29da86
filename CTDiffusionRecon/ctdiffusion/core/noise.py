"""Noise that depends on (seed, absolute slice, step) alone (contract C6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class NoiseSource:
    """Reproducible standard normal slices.

    The numbers are drawn on the CPU, slice by slice, so that neither batch size, slice range nor device changes them.

    Attributes:
        seed: the job's seed.
        first_slice: absolute index of slice 0 of the arrays that are asked for.
    """

    seed: int
    first_slice: int = 0

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """Standard normal noise `[slice, row, column]` for one sampling step."""
        out = torch.empty(shape)
        for index in range(shape[0]):
            state = np.random.SeedSequence([self.seed, self.first_slice + index, step]).generate_state(1, np.uint64)
            generator = torch.Generator().manual_seed(int(state[0]) & 0x7FFF_FFFF_FFFF_FFFF)
            torch.randn(shape[1:], generator=generator, out=out[index])
        return out.to(device)
