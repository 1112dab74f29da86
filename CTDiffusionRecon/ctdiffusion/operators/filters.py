"""The ramp filter: band-limited in space, so that a uniform object keeps its value, with the usual windows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WINDOWS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")


def ramp_kernel(count: int, spacing: float, equiangular: bool = False) -> Tensor:
    """Samples -(count - 1) .. count - 1 of the band-limited ramp, float64, in 1/spacing^2.

    h(0) = 1/(4 d^2), h(n) = -1/(n pi d)^2 for odd n, 0 for even n (Kak & Slaney 1988, eq. 61 of chapter 3). For an
    equiangular fan, `spacing` in radians, n d becomes sin(n d) (eq. 95, without its factor 1/2).
    """
    n = torch.arange(-(count - 1), count, dtype=torch.float64)
    distance = torch.sin(n * spacing) if equiangular else n * spacing
    odd = n.long() % 2 != 0
    kernel = torch.where(odd, -1.0 / (math.pi * distance) ** 2, torch.zeros_like(n))
    kernel[count - 1] = 1.0 / (4.0 * spacing**2)
    return kernel


def window_response(name: str, frequency: Tensor) -> Tensor:
    """Amplitude of a window at `frequency`, given as a fraction of the Nyquist frequency.

    Raises:
        ValueError: unknown window.
    """
    if name == "ram-lak":
        return torch.ones_like(frequency)
    if name == "shepp-logan":
        return torch.sinc(frequency / 2)
    if name == "cosine":
        return torch.cos(math.pi / 2 * frequency)
    if name == "hamming":
        return 0.54 + 0.46 * torch.cos(math.pi * frequency)
    if name == "hann":
        return 0.5 + 0.5 * torch.cos(math.pi * frequency)
    raise ValueError(f"filter: {name!r} is unknown (known: {', '.join(WINDOWS)})")


def ramp_filter(p: Tensor, spacing: float, window: str = "ram-lak", equiangular: bool = False) -> Tensor:
    """Projections `[..., column]` convolved with the ramp along their last axis, zero-padded to twice the length.

    Raises:
        ValueError: unknown window.
    """
    count = p.shape[-1]
    length = _fast_length(2 * count)
    kernel = ramp_kernel(count, spacing, equiangular)
    # Put sample 0 first and let the negative ones wrap round.
    padded = torch.zeros(length, dtype=torch.float64)
    padded[:count] = kernel[count - 1 :]
    if count > 1:
        padded[-(count - 1) :] = kernel[: count - 1]
    response = torch.fft.rfft(padded).real * spacing
    response *= window_response(window, torch.linspace(0.0, 1.0, response.numel(), dtype=torch.float64))
    spectrum = torch.fft.rfft(p, n=length) * response.to(p)
    filtered: Tensor = torch.fft.irfft(spectrum, n=length)
    return filtered[..., :count]


def _fast_length(minimum: int) -> int:
    """Smallest even length >= minimum without prime factors above 5."""
    length = minimum + minimum % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2
