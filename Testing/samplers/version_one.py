"""The samplers of version 1, written down once more: loop, transitions and data consistency as saved jobs know them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor


def transition(name: str, share: float) -> Callable[[Tensor, Tensor, Tensor, float, float], Tensor]:
    """(x0, predicted noise, fresh noise, sigma, next sigma) -> next state."""

    def dds(eta: float) -> Callable[[Tensor, Tensor, Tensor, float, float], Tensor]:
        return lambda x0, eps, z, sigma, after: x0 + after * (math.sqrt(1.0 - eta * eta) * eps + eta * z)

    def ancestral(x0: Tensor, eps: Tensor, z: Tensor, sigma: float, after: float) -> Tensor:
        fresh = share * math.sqrt(max(0.0, 1.0 - (after / sigma) ** 2))
        return x0 + after * (math.sqrt(1.0 - fresh * fresh) * eps + fresh * z)

    def diffpir(x0: Tensor, eps: Tensor, z: Tensor, sigma: float, after: float) -> Tensor:
        return x0 + after * (math.sqrt(1.0 - share) * eps + math.sqrt(share) * z)

    return {"dds": dds(share), "renew": dds(1.0), "ancestral": ancestral, "diffpir": diffpir}[name]


def sample(
    start: Tensor,
    sigmas: Sequence[float],
    denoise: Callable[[Tensor, float, int], Tensor],
    agree: Callable[[Tensor, float], Tensor],
    rule: Callable[[Tensor, Tensor, Tensor, float, float], Tensor],
    noise: Callable[[int], Tensor],
) -> Tensor:
    """The last estimate."""
    x = start + sigmas[0] * noise(0)
    for step, sigma in enumerate(sigmas):
        tweedie = denoise(x, sigma, step)
        predicted = (x - tweedie) / sigma
        x0 = agree(tweedie, sigma)
        if step + 1 < len(sigmas):
            x = rule(x0, predicted, noise(step + 1), sigma, sigmas[step + 1])
    return x0
