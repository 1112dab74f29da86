"""Networks of the variance-preserving process with discrete timesteps (DDPM, ADM) as denoisers.

The process scales its images down: x_t = sqrt(a_t) (x + sigma_t z) with sigma_t = sqrt((1 - a_t) / a_t). A network
trained on x_t therefore serves any method that adds noise without scaling (Ho et al. 2020; Song et al. 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .choices import COSINE, PREDICTIONS, SCHEDULES
from .denoiser import SAME_SLICE, Denoiser

# Of the cosine schedule (Nichol and Dhariwal 2021, arXiv 2102.09672, eq. 17): its offset, and the largest beta.
_OFFSET, _LARGEST_BETA = 0.008, 0.999


def noise_levels(steps: int, beta_start: float, beta_end: float, schedule: str = "linear") -> Tensor:
    """sigma_t = sqrt((1 - a_t) / a_t) of each timestep, in the network's range, increasing, `[steps]`, float64.

    The cosine schedule has no use for the betas.

    Raises:
        ValueError: an unknown schedule, or betas outside of 0 to 1.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}")
    if not (0.0 < beta_start <= beta_end < 1.0 and 2 <= steps <= 100_000):
        raise ValueError(f"betas must rise within 0 to 1 in 2 steps or more, got {beta_start}, {beta_end}, {steps}")
    if schedule == COSINE:
        time = torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64)
        whole = (0.5 * math.pi * (time + _OFFSET) / (1.0 + _OFFSET)).cos().square()
        betas = (1.0 - whole[1:] / whole[:-1]).clamp(max=_LARGEST_BETA)
    else:
        power = 1.0 if schedule == "linear" else 2.0
        betas = torch.linspace(beta_start ** (1 / power), beta_end ** (1 / power), steps, dtype=torch.float64) ** power
    kept = torch.cumprod(1.0 - betas, dim=0)
    return ((1.0 - kept) / kept).sqrt()


class VPDenoiser(Denoiser):
    """D(x, sigma) from a network that was trained on the scaled process at whole timesteps.

    The timestep is interpolated in log sigma and clipped to those that were trained, and so is sigma. Channels behind
    the first `channels` hold a learned variance and are dropped.

    Args:
        network: called with x_t, timestep and label.
        steps, beta_start, beta_end, schedule: the noise schedule of the training.
        data_range: what 0 and 1 of the prior's range are to the network, for example (-1, 1).
        prediction: what the network predicts: the noise ("epsilon"), the clean image ("sample") or sqrt(a) noise -
            sqrt(1 - a) image ("v_prediction").
        same_slice_label: label that the network gets in place of `SAME_SLICE`, if it never saw that one.
        complex_images: whether the second half of the network's channels are imaginary parts; real images have none.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        network: nn.Module,
        steps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        schedule: str = "linear",
        data_range: tuple[float, float] = (-1.0, 1.0),
        prediction: str = "epsilon",
        same_slice_label: int = SAME_SLICE,
        complex_images: bool = False,
    ) -> None:
        super().__init__()
        if prediction not in PREDICTIONS:
            raise ValueError(f"prediction must be one of {', '.join(PREDICTIONS)}, got {prediction!r}")
        low, high = (float(value) for value in data_range)
        if not low < high:
            raise ValueError(f"data_range must be increasing, got {low}, {high}")
        self.network = network
        self.complex_images = complex_images
        self.channels = int(getattr(network, "channels", 1)) // (2 if complex_images else 1)
        self.low, self.scale = low, high - low
        self.prediction = prediction
        self.same_slice_label = same_slice_label
        log_levels = noise_levels(steps, beta_start, beta_end, schedule).log().float()
        self.log_levels: Tensor
        self.register_buffer("log_levels", log_levels, persistent=False)

    def sigma_range(self) -> tuple[float, float]:
        """The trained noise levels in the prior's range."""
        levels = self.log_levels.exp() / self.scale
        return float(levels[0]), float(levels[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The timestep, whole or in between, of noise levels in the prior's range; both `[batch]`."""
        wanted = (sigma * self.scale).log().clamp(self.log_levels[0], self.log_levels[-1])
        above = torch.searchsorted(self.log_levels, wanted).clamp(1, len(self.log_levels) - 1)
        low, high = self.log_levels[above - 1], self.log_levels[above]
        step: Tensor = above - 1 + (wanted - low) / (high - low)
        return step

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """See `Denoiser.forward`."""
        level = (sigma * self.scale).log().clamp(self.log_levels[0], self.log_levels[-1]).exp()[:, None, None, None]
        root = (1.0 + level.square()).rsqrt()  # sqrt(a)
        u = self.low + self.scale * x
        label = label.masked_fill(label == SAME_SLICE, self.same_slice_label)
        shown = u * root
        if self.complex_images:
            shown = torch.cat([shown, torch.zeros_like(shown)], dim=1)
        raw = self.network(shown, self.timestep(sigma), label)[:, : self.channels].float()
        if self.prediction == "epsilon":
            clean = u - level * raw
        elif self.prediction == "sample":
            clean = raw
        else:
            clean = root.square() * u - root * level * raw
        estimate: Tensor = (clean - self.low) / self.scale
        return estimate

    def pad_multiple(self) -> int:
        """See `Denoiser.pad_multiple`."""
        return int(getattr(self.network, "multiple", 1))
