"""Transitions from one noise level to the next: x' = x0 + sigma' (a eps + b z).

eps is the noise that the network found in the state, z is fresh; both have unit scale. With a^2 + b^2 = 1 the next
state has the noise level that the prior expects.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from .choices import TRANSITIONS

# (x0, predicted noise, fresh noise, sigma, next sigma) -> next state.
Transition = Callable[[Tensor, Tensor, Tensor, float, float], Tensor]


def dds(eta: float) -> Transition:
    """a = sqrt(1 - eta^2), b = eta: a fixed share of fresh noise, 0 deterministic (DDIM), 1 all new.

    Source: Chung et al. 2024 (arXiv:2303.05754), eq. 13; with eta = 0 Song et al. 2021 (arXiv:2010.02502), eq. 12.
    """
    return lambda x0, eps, z, sigma, after: x0 + after * (math.sqrt(1.0 - eta * eta) * eps + eta * z)


def ancestral(eta: float) -> Transition:
    """b = eta sqrt(1 - (sigma' / sigma)^2): for eta = 1 the posterior of the diffusion itself.

    Source: Ho et al. 2020 (arXiv:2006.11239), eq. 7, for a variance-exploding process; Song et al. 2021
    (arXiv:2010.02502), eq. 16.
    """

    def step(x0: Tensor, eps: Tensor, z: Tensor, sigma: float, after: float) -> Tensor:
        fresh = eta * math.sqrt(max(0.0, 1.0 - (after / sigma) ** 2))
        return x0 + after * (math.sqrt(1.0 - fresh * fresh) * eps + fresh * z)

    return step


def diffpir(zeta: float) -> Transition:
    """a = sqrt(1 - zeta), b = sqrt(zeta).

    Source: Zhu et al. 2023 (arXiv:2305.08995), eq. 14. ISCS's code has 1/2 and 1/2 here, whose variance is too small.
    """
    return lambda x0, eps, z, sigma, after: x0 + after * (math.sqrt(1.0 - zeta) * eps + math.sqrt(zeta) * z)


def transition_named(name: str, share: float) -> Transition:
    """The transition called `name`; `share` is its eta or zeta, which `renew` (all noise new) does without.

    Raises:
        ValueError: an unknown name.
    """
    if name == "renew":
        return dds(1.0)
    known = {"dds": dds, "ancestral": ancestral, "diffpir": diffpir}
    if name not in known:
        raise ValueError(f"transition: {name!r} is unknown (known: {', '.join(TRANSITIONS)})")
    return known[name](share)
