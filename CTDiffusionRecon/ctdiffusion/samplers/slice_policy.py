"""How a 2-D or three-slice prior is laid over a volume. Each is a function (x, sigma, step) -> estimate of x0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..priors.denoiser import ADJACENT, STRIDE_THREE
from ..priors.prior import Prior

Denoise = Callable[[Tensor, float, int], Tensor]


def per_slice(prior: Prior, spacing: float) -> Denoise:
    """Every slice on its own."""
    return lambda x, sigma, step: prior.predict_x0(x, sigma, spacing)


def neighbourhood(prior: Prior, spacing: float) -> Denoise:
    """DiffusionBlend: every slice as the middle one of itself and its two neighbours (arXiv:2406.10211, section 3.1).

    The first and the last slice take the outer place of the nearest whole triplet. Volumes of one or two slices have no
    triplet and are denoised slice by slice.
    """

    def denoise(x: Tensor, sigma: float, step: int) -> Tensor:
        count = x.shape[0]
        if count < 3:
            return prior.predict_x0(x, sigma, spacing)
        centres = range(1, count - 1)
        stacks = torch.stack([x[k - 1 : k + 2] for k in centres])
        estimates = prior.predict_stacks(stacks, ADJACENT, sigma, spacing)
        return torch.cat([estimates[0, :1], estimates[:, 1], estimates[-1, 2:]])

    return denoise


def blended_triplets(prior: Prior, spacing: float, seed: int, first_slice: int) -> Denoise:
    """DiffusionBlend++: the volume in disjoint triplets, adjacent and three slices apart in turn, shifted at random.

    The shift is a function of (seed, step) and counts from absolute slice 0, so that slabs of one volume are divided
    alike but for their ends.

    Source: arXiv:2406.10211, section 3.2; one random partition per step as in its algorithm 1.
    """

    def denoise(x: Tensor, sigma: float, step: int) -> Tensor:
        # As published the stride-3 partition comes first, at every second step.
        stride = STRIDE_THREE if step % 2 == 0 else ADJACENT
        shift = int(np.random.default_rng([seed, step, 3]).integers(3 * stride))
        groups, single = partition(x.shape[0], stride, (shift - first_slice) % (3 * stride))
        total, times = torch.zeros_like(x), torch.zeros(x.shape[0], 1, 1, device=x.device)
        for label in (STRIDE_THREE, ADJACENT):
            chosen = torch.tensor([g for g in groups if g[1] - g[0] == label], device=x.device)
            if len(chosen):
                estimates = prior.predict_stacks(x[chosen], label, sigma, spacing)
                total.index_add_(0, chosen.flatten(), estimates.flatten(0, 1))
                times.index_add_(0, chosen.flatten(), torch.ones(chosen.numel(), 1, 1, device=x.device))
        if single:
            total[single] += prior.predict_x0(x[single], sigma, spacing)
            times[single] += 1.0
        return total / times

    return denoise


def partition(count: int, stride: int, shift: int) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Divide slices 0 to `count` - 1 into triplets {k, k + stride, k + 2 stride}.

    Blocks of 3 `stride` slices begin at `shift` modulo that length. What is left at either end is covered by one more
    block that ends there and overlaps the regular ones; where the volume is too short for that, adjacent triplets
    are taken instead, and for fewer than three slices none.

    Returns:
        The triplets, and the slices that no triplet covers.
    """
    if count < 3:
        return [], list(range(count))
    if count < 3 * stride:
        return partition(count, 1, shift % 3)
    length = 3 * stride
    begins = list(range(shift % length, count - length + 1, length))
    covered = {k for begin in begins for k in range(begin, begin + length)}
    for begin in (0, count - length):
        if not covered.issuperset(range(begin, begin + length)):
            begins.append(begin)
            covered.update(range(begin, begin + length))
    triplets = [(b + m, b + m + stride, b + m + 2 * stride) for b in begins for m in range(stride)]
    return triplets, [k for k in range(count) if k not in covered]
