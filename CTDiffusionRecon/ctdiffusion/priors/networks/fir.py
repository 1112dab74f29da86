"""Resampling by two with the binomial filter [1, 3, 3, 1] (Zhang 2019, arXiv 1904.11486), as NCSN++ uses it.

The image is zero outside of its edges.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def downsample(x: Tensor) -> Tensor:
    """Filter and keep every second row and column: `[batch, channels, rows, columns]` to half the size."""
    return functional.conv2d(x, _kernel(x), stride=2, padding=1, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """Insert zeros and filter with four times the kernel: `[batch, channels, rows, columns]` to twice the size.

    The binomial filter's phases weigh two neighbours by 3/4 and 1/4: this is bilinear interpolation between pixel
    centres, here with a border of zeros.
    """
    padded = functional.pad(x, (1, 1, 1, 1))
    larger = functional.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return larger[..., 2:-2, 2:-2]


def blur(x: Tensor) -> Tensor:
    """Filter with two pixels of border, which a 3 x 3 convolution of stride 2 then uses up: one row and column more."""
    return functional.conv2d(x, _kernel(x), padding=2, groups=x.shape[1])


def _kernel(x: Tensor) -> Tensor:
    # Filled on the device: a copy from the host would make a GPU wait.
    taps = torch.full((4,), 0.125, device=x.device, dtype=x.dtype)
    taps[1:3] = 0.375
    return torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
