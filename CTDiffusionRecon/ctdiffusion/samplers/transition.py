"""Transitions from one noise level to the next."""

from __future__ import annotations

import math

from torch import Tensor


def ddim(x0: Tensor, predicted_noise: Tensor, fresh_noise: Tensor, sigma_next: float, eta: float) -> Tensor:
    """x' = x0 + sigma' (sqrt(1 - eta^2) eps + eta z), the variance-exploding form of DDIM as DDS uses it.

    Args:
        x0: the estimate after data consistency.
        predicted_noise: eps, the noise that the network found, of unit scale.
        fresh_noise: z, standard normal.
        sigma_next: the next noise level.
        eta: share of fresh noise; 0 is deterministic, 1 renews all of it.

    Source: Song et al. 2021 (arXiv:2010.02502), eq. 12; Chung et al. 2024 (arXiv:2303.05754), eq. 13.
    """
    return x0 + sigma_next * (math.sqrt(1.0 - eta * eta) * predicted_noise + eta * fresh_noise)
