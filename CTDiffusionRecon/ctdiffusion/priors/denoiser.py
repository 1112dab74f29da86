"""EDM preconditioning: what a sampler sees of a prior, D(x, sigma, condition) -> x0."""

from __future__ import annotations

from torch import Tensor, nn

# Slice-spacing labels a triplet prior is trained with: the index step between its three slices. 0 means the same
# slice three times, which makes the network a 2-D prior.
SAME_SLICE = 0
ADJACENT = 1
STRIDE_THREE = 3


class Denoiser(nn.Module):
    """D(x, sigma, condition) -> x0 on stacks of slices: what every parametrisation turns its network into.

    Attributes:
        channels: slices in a stack.
    """

    channels: int

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """Estimate the clean stacks.

        Args:
            x: noisy stacks `[batch, channels, rows, columns]` in the prior's range.
            sigma: noise standard deviation of each stack, `[batch]`, in the prior's range.
            label: slice-spacing label of each stack, `[batch]`, int64.
            log_spacing: natural logarithm of the pixel size in mm, `[batch]`.
        """
        raise NotImplementedError

    def pad_multiple(self) -> int:
        """Rows and columns must be a multiple of this number of pixels."""
        raise NotImplementedError


class EDMDenoiser(Denoiser):
    """Wrap a raw network F as a denoiser D with unit-variance input, target and loss (Karras et al. 2022, eq. 7).

    D(x, sigma) = c_skip x + c_out F(c_in x, c_noise), for data of standard deviation `sigma_data` around `mean`.
    """

    def __init__(self, network: nn.Module, sigma_data: float, mean: float) -> None:
        if not isinstance(sigma_data, float) or not isinstance(mean, float) or not sigma_data > 0.0:
            raise ValueError(f"sigma_data must be positive and mean a number, got {sigma_data!r} and {mean!r}")
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data
        self.mean = mean
        self.channels = int(getattr(network, "channels", 3))

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """See `Denoiser.forward`."""
        level = sigma[:, None, None, None]
        total = level.square() + self.sigma_data**2
        centred = x - self.mean
        raw: Tensor = self.network(centred * total.rsqrt(), sigma.log() / 4.0, label, log_spacing)
        skip = self.sigma_data**2 / total
        return self.mean + skip * centred + (level * self.sigma_data * total.rsqrt()) * raw

    def loss_weight(self, sigma: Tensor) -> Tensor:
        """Weight that gives every noise level unit loss at initialisation, `[batch]` (Karras et al. 2022, table 1)."""
        return (sigma.square() + self.sigma_data**2) / (sigma * self.sigma_data).square()

    def pad_multiple(self) -> int:
        """See `Denoiser.pad_multiple`."""
        return int(getattr(self.network, "multiple", 1))
