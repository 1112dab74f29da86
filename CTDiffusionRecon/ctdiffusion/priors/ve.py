"""Score networks of the variance-exploding process as denoisers (Song et al. 2021, arXiv 2011.13456)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from .denoiser import Denoiser


class VEDenoiser(Denoiser):
    """Tweedie's formula: D(u, s) = u + s^2 score(u, s) in the network's range.

    Args:
        network: gives the score.
        data_range: what 0 and 1 of the prior's range are to the network; (-1, 1) where its data were centred.

    Raises:
        ValueError: a range that is none.
    """

    def __init__(self, network: nn.Module, data_range: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        low, high = (float(value) for value in data_range)
        if not (low < high and math.isfinite(high - low)):
            raise ValueError(f"data_range must be increasing, got {low}, {high}")
        self.network = network
        self.channels = int(getattr(network, "channels", 1))
        self.low, self.scale = low, high - low

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """See `Denoiser.forward`."""
        level = self.scale * sigma
        score: Tensor = self.network(self.low + self.scale * x, level, label).float()
        # (u + s^2 score - low) / scale with u = low + scale x.
        return x + self.scale * sigma.square()[:, None, None, None] * score

    def pad_multiple(self) -> int:
        """See `Denoiser.pad_multiple`."""
        return int(getattr(self.network, "multiple", 1))
