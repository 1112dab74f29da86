"""Twice the size by repeating pixels, and the 3 x 3 convolution behind it at less than half of the cost."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def repeat(x: Tensor) -> Tensor:
    """Every pixel twice in both directions."""
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def convolve_repeated(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """`convolution(repeat(x))` for a 3 x 3 convolution with one pixel of border.

    Two of three neighbours are the same pixel, so every second row and column of the result is a 2 x 2 convolution of
    `x` itself with sums of the weights: 16 products for 36. On small maps the sums cost more than they save; on
    GPUs it was not measured.
    """
    if x.device.type != "cpu" or x.shape[2] * x.shape[3] < 2 * x.shape[1]:
        whole: Tensor = convolution(repeat(x))
        return whole
    weight = convolution.weight
    batch, _, rows, columns = x.shape
    out = x.new_empty((batch, weight.shape[0], 2 * rows, 2 * columns)).contiguous(memory_format=torch.channels_last)
    for lower, from_rows in enumerate(_pairs(weight, 2)):
        for right, kernel in enumerate(_pairs(from_rows, 3)):
            # The upper half of a pixel also sees the row above, its lower half the row below.
            padded = functional.pad(x, (1 - right, right, 1 - lower, lower))
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            out[:, :, lower::2, right::2] = functional.conv2d(padded, kernel, convolution.bias)
    return out


def _pairs(weight: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Three taps along an axis as two, for the first and for the second of two equal pixels."""
    before, at, after = weight.unbind(axis)
    return torch.stack([before, at + after], axis), torch.stack([before + at, after], axis)


class Grow(nn.Module):
    """Twice the size: every pixel repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return convolve_repeated(x, self.conv)
