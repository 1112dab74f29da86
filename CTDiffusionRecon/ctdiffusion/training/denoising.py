"""The denoising loss of a triplet prior."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..priors.denoiser import SAME_SLICE, EDMDenoiser
from .loop import Batch

SIGMA_LOWEST, SIGMA_HIGHEST = 0.002, 5.0


def draw_sigma(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Noise levels `[count]`: nine in ten log-normal around the levels that decide quality, the rest log-uniform.

    The log-normal part (median 0.07, i.e. 190 HU) covers what a sampler that starts from FBP uses; the uniform tail
    keeps the prior valid up to sigma 5, where samplers that start from noise begin.
    """
    normal = torch.exp(-2.6 + 1.3 * torch.randn(count, generator=generator, device=device))
    low, high = math.log(SIGMA_LOWEST), math.log(SIGMA_HIGHEST)
    uniform = torch.exp(low + (high - low) * torch.rand(count, generator=generator, device=device))
    tail = torch.rand(count, generator=generator, device=device) < 0.1
    return torch.where(tail, uniform, normal).clamp(SIGMA_LOWEST, SIGMA_HIGHEST)


def triplet_noise(stack: Tensor, label: Tensor, generator: torch.Generator) -> Tensor:
    """White noise; where the three slices are one and the same (label 0) so is their noise."""
    noise = torch.randn(stack.shape, generator=generator, device=stack.device)
    same = (label == SAME_SLICE)[:, None, None, None]
    return torch.where(same, noise[:, :1], noise)


def denoising_loss(
    sigma_data: float, mean: float, draw: Callable[[int, torch.Generator, torch.device], Tensor] = draw_sigma
) -> Callable[[nn.Module, Batch, torch.Generator], Tensor]:
    """EDM's weighted denoising loss for a raw network of these statistics (Karras et al. 2022, eq. 8).

    Where a batch tells the noise that its images carry themselves (`grain`), examples count by `trust`.
    """

    def loss(network: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
        denoiser = EDMDenoiser(network, sigma_data, mean)
        stack, label = batch["stack"].contiguous(memory_format=torch.channels_last), batch["label"]
        sigma = draw(stack.shape[0], generator, stack.device)
        noisy = stack + sigma[:, None, None, None] * triplet_noise(stack, label, generator)
        estimate: Tensor = denoiser(noisy, sigma, label, batch["log_spacing"]).float()
        weight = denoiser.loss_weight(sigma)
        if "grain" in batch:
            weight = weight * trust(sigma, batch["grain"])
        weighted: Tensor = weight[:, None, None, None] * (estimate - stack).square()
        return weighted.mean()

    return loss


def trust(sigma: Tensor, grain: Tensor) -> Tensor:
    """How much an example counts whose image carries noise of its own, `[batch]`, from 0 to 1.

    White noise of deviation `grain` in the image is known from its noisy version only to the variance
    g^2 s^2 / (g^2 + s^2), which no network can lower. The residual of an example then has that variance on top of the
    network's own error e(s)^2, and maximum likelihood weighs it by e^2 / (e^2 + g^2 s^2 / (g^2 + s^2)): a noisy slice
    does not teach the network to reproduce its noise. e(s) is that of a trained network, to a tenth or so.
    """
    own = (0.055 * sigma.pow(0.55)).square()
    floor = (sigma * grain).square() / (sigma.square() + grain.square())
    return own / (own + floor)
