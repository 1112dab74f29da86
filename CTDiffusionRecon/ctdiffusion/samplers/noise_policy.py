"""How the fresh noise of a sampler is shared between slices. Each policy offers `normal` as `NoiseSource` does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..core.noise import NoiseSource
from .choices import POLICIES


class NoisePolicy(Protocol):
    """Standard normal slices; every slice by itself is white whatever the policy."""

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """Noise `[slice, row, column]` of one sampling step."""
        ...


@dataclass(frozen=True)
class SharedNoise:
    """The same noise in every slice: the ablation "BCS" of the ISCS paper."""

    source: NoiseSource

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """See `NoisePolicy.normal`."""
        return NoiseSource(self.source.seed).normal(step, (1, *shape[1:]), device).expand(shape)


@dataclass(frozen=True)
class InterSliceNoise:
    """Inter-slice consistent noise: spherical interpolation between independent anchors (ISCS, arXiv:2602.04162).

    Absolute slice k = j L + i has cos(i pi / 2L) z_j + sin(i pi / 2L) z_{j+1}, with z_j the independent noise of anchor
    j. The angle between two anchors is taken as pi/2, its value for white noise of many pixels, so that every slice
    is exactly white; the paper measures it and is white to the order of one over the root of the pixel number. With
    an anchor every L slices a slice's noise depends on its absolute position alone, and slabs agree. L = 1 is
    independent noise; the one arc of the paper is L = slices - 1, counted from the first slice of whatever is computed.

    Attributes:
        source: independent noise, which gives the anchors and knows the absolute index of the first slice.
        length: L, slices from one anchor to the next.
    """

    source: NoiseSource
    length: int

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """See `NoisePolicy.normal`."""
        count, rows, columns = shape
        first = self.source.first_slice
        lowest, highest = first // self.length, (first + count - 1) // self.length + 1
        anchors = NoiseSource(self.source.seed, lowest).normal(step, (highest - lowest + 1, rows, columns))
        out = torch.empty(shape)
        for index in range(count):
            anchor, part = divmod(first + index, self.length)
            angle = 0.5 * math.pi * part / self.length
            out[index] = math.cos(angle) * anchors[anchor - lowest]
            if part:
                out[index] += math.sin(angle) * anchors[anchor - lowest + 1]
        return out.to(device)


def noise_policy(name: str, source: NoiseSource, length: int, slices: int) -> NoisePolicy:
    """The policy called `name`; `length` 0 makes one arc of all `slices`.

    Raises:
        ValueError: an unknown name.
    """
    if name == "independent":
        return source
    if name == "inter-slice":
        if length == 0:
            # One arc from the first of these slices to their last, wherever they lie in the volume.
            return InterSliceNoise(NoiseSource(source.seed), max(1, slices - 1))
        return InterSliceNoise(source, length)
    if name == "shared":
        return SharedNoise(source)
    raise ValueError(f"noise_policy: {name!r} is unknown (known: {', '.join(POLICIES)})")
