"""EDM's ways to make a denoiser of a network (Karras et al. 2022, arXiv 2206.00364, table 1), in the network's range.

D(u, s) = c_skip u + c_out F(c_in u, c_noise), where u and s are image and noise in the range of the network's training
data; a pack's own range is [0, 1].
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from .choices import PRECONDITIONINGS
from .denoiser import Denoiser


class PreconditionedDenoiser(Denoiser):
    """A denoiser of the prior's range from a network that was trained with one of EDM's preconditionings.

    Args:
        network: called with the scaled image, c_noise and the label.
        preconditioning: edm, vp or ve.
        data_range: what 0 and 1 of the prior's range are to the network, for example (-1, 1).
        data_deviation: for edm: standard deviation of the training data, in the network's range.
        beta_d, beta_min, steps: for vp: slope and start of the continuous schedule, and timesteps.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        network: nn.Module,
        preconditioning: str = "edm",
        data_range: tuple[float, float] = (-1.0, 1.0),
        data_deviation: float = 0.5,
        beta_d: float = 19.9,
        beta_min: float = 0.1,
        steps: int = 1000,
    ) -> None:
        super().__init__()
        if preconditioning not in PRECONDITIONINGS:
            raise ValueError(f"preconditioning must be one of {', '.join(PRECONDITIONINGS)}, got {preconditioning!r}")
        low, high = (float(value) for value in data_range)
        if not (low < high and math.isfinite(high - low)):
            raise ValueError(f"data_range must be increasing, got {low}, {high}")
        if not (0.0 < data_deviation < 1e6 and 0.0 < beta_d < 1e6 and 0.0 < beta_min < 1e6 and steps > 1):
            raise ValueError("data_deviation, beta_d and beta_min must be positive, and steps 2 or more")
        self.network = network
        self.channels = int(getattr(network, "channels", 1))
        self.preconditioning = preconditioning
        self.low, self.scale = low, high - low
        self.data_deviation = data_deviation
        self.beta_d, self.beta_min, self.steps = beta_d, beta_min, steps

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """See `Denoiser.forward`."""
        u = self.low + self.scale * x
        level = self.scale * sigma
        s = level[:, None, None, None]
        if self.preconditioning == "edm":
            total = s.square() + self.data_deviation**2
            raw = self.network(u * total.rsqrt(), level.log() / 4.0, label).float()
            clean = self.data_deviation**2 / total * u + s * self.data_deviation * total.rsqrt() * raw
        elif self.preconditioning == "vp":
            raw = self.network(u * (s.square() + 1.0).rsqrt(), (self.steps - 1) * self.time(level), label).float()
            clean = u - s * raw
        else:
            raw = self.network(u, (0.5 * level).log(), label).float()
            clean = u + s * raw
        estimate: Tensor = (clean - self.low) / self.scale
        return estimate

    def time(self, level: Tensor) -> Tensor:
        """The time t in 0..1 at which the continuous process has this noise level: the inverse of its sigma(t)."""
        root: Tensor = (self.beta_min**2 + 2.0 * self.beta_d * (level.square() + 1.0).log()).sqrt()
        return (root - self.beta_min) / self.beta_d

    def pad_multiple(self) -> int:
        """See `Denoiser.pad_multiple`."""
        return int(getattr(self.network, "multiple", 1))
