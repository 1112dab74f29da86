"""The prior on planes across the slices: a volume seen as a stack of coronal or sagittal planes, and its noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.noise import NoiseSource
from ..priors.prior import Prior
from ..samplers.noise_policy import noise_policy
from ..samplers.slice_policy import Denoise, blended_triplets, neighbourhood, per_slice
from .choices import PLANES

# From the number of a step to the planes it works on.
Direction = Callable[[int], str]


def direction_named(name: str) -> Direction:
    """`coronal` or `sagittal` at every step, or one after the other (`alternating`).

    Raises:
        ValueError: an unknown name.
    """
    if name in PLANES:
        return lambda step: name
    if name == "alternating":
        return lambda step: "sagittal" if step % 2 else "coronal"
    raise ValueError(f"planes: {name!r} is unknown (known: {', '.join(PLANES)}, alternating)")


def to_planes(x: Tensor, direction: str) -> Tensor:
    """`[slice, row, column]` as `[plane, row, column]`: coronal planes hold (slice, column), sagittal (slice, row)."""
    return x.permute(PLANES[direction])


def from_planes(x: Tensor, direction: str) -> Tensor:
    """The inverse of `to_planes`."""
    axes = PLANES[direction]
    return x.permute(axes.index(0), axes.index(1), axes.index(2))


def pixel_of(spacing: tuple[float, float, float], direction: str) -> tuple[float, float]:
    """Pixel size in mm of the planes, (row, column)."""
    _, row, column = PLANES[direction]
    return spacing[row], spacing[column]


def plane_warnings(prior: Prior, spacing: tuple[float, float, float], planes: Direction) -> list[str]:
    """Warnings about a prior on the planes of a thin grid (slice, row, column) in mm."""
    found: dict[str, None] = {}
    for direction in sorted({planes(0), planes(1)}):
        found |= dict.fromkeys(f"{direction} planes: {text}" for text in prior.gate(*pixel_of(spacing, direction)))
    return list(found)


def across_slices(
    prior: Prior, spacing: tuple[float, float, float], planes: Direction, stacks: str, seed: int
) -> Denoise:
    """The denoiser of a volume `[slice, row, column]` through its planes.

    Args:
        prior: a prior of images.
        spacing: of the volume in mm, (slice, row, column).
        planes: which planes each step works on.
        stacks: planes one by one (`single`), each between its neighbours (`neighbourhood`), or in disjoint triplets
            (`triplets`, as DiffusionBlend++), which costs a third.
        seed: of the triplets' random shifts.
    """

    def denoise(x: Tensor, sigma: float, step: int) -> Tensor:
        direction = planes(step)
        # The prior is told one pixel size.
        pixel = math.sqrt(math.prod(pixel_of(spacing, direction)))
        if stacks == "single":
            inner = per_slice(prior, pixel)
        elif stacks == "neighbourhood":
            inner = neighbourhood(prior, pixel)
        else:
            inner = blended_triplets(prior, pixel, seed, 0)
        # Triplets change their spacing at every second step: counted per direction where directions take turns.
        turn = step if planes(step) == planes(step + 1) else step // 2
        return from_planes(inner(to_planes(x, direction), sigma, turn), direction).contiguous()

    return denoise


@dataclass(frozen=True)
class PlaneNoise:
    """Fresh noise `[slice, row, column]` that is shared between the planes of each step as a policy says.

    Attributes:
        source: independent noise of the job.
        policy: independent, inter-slice or shared; see `samplers.noise_policy`.
        length: planes over which inter-slice noise turns into an independent draw; 0: all.
        planes: which planes each step works on.
    """

    source: NoiseSource
    policy: str
    length: int
    planes: Direction

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        """See `NoisePolicy.normal`."""
        direction = self.planes(step)
        count, rows, columns = (shape[axis] for axis in PLANES[direction])
        policy = noise_policy(self.policy, self.source, self.length, count)
        return from_planes(policy.normal(step, (count, rows, columns), device), direction)
