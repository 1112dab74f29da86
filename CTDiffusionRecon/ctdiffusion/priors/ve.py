"""Score networks of the variance-exploding process as denoisers (Song et al. 2021, arXiv 2011.13456)."""

from __future__ import annotations

from torch import Tensor, nn

from .denoiser import Denoiser


class VEDenoiser(Denoiser):
    """Tweedie's formula: D(x, sigma) = x + sigma^2 s(x, sigma), where the network gives the score s."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.channels = int(getattr(network, "channels", 1))

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """See `Denoiser.forward`."""
        score: Tensor = self.network(x, sigma, label)
        return x + sigma.square()[:, None, None, None] * score.float()

    def pad_multiple(self) -> int:
        """See `Denoiser.pad_multiple`."""
        return int(getattr(self.network, "multiple", 1))
