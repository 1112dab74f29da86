"""Resampling by two with a symmetric filter (Zhang 2019, arXiv 1904.11486), [1, 3, 3, 1] in NCSN++, [1, 1] in DDPM++.

The image is zero outside of its edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
# Averages of 2 x 2 pixels on the way down, every pixel repeated on the way up.
BOX = (1.0, 1.0)
LONGEST = 16


def check_taps(taps: Sequence[float]) -> None:
    """Refuse taps that are no resampling filter.

    Raises:
        ValueError: not an even number of symmetric finite taps with a positive sum.
    """
    good = all(isinstance(tap, (int, float)) and not isinstance(tap, bool) and math.isfinite(tap) for tap in taps)
    even = 2 <= len(taps) <= LONGEST and len(taps) % 2 == 0
    if not (good and even and list(taps) == list(taps)[::-1] and sum(taps) > 0):
        shown = " ".join(str(tap)[:12] for tap in list(taps)[: LONGEST + 1])
        raise ValueError(f"resample_filter: an even number (to {LONGEST}) of symmetric taps is wanted, got {shown}")


def downsample(x: Tensor, taps: Sequence[float] = BINOMIAL) -> Tensor:
    """Filter and keep every second row and column: `[batch, channels, rows, columns]` to half the size."""
    if len(taps) == 2:
        return functional.avg_pool2d(x, 2)
    return functional.conv2d(x, _kernel(x, taps), stride=2, padding=len(taps) // 2 - 1, groups=x.shape[1])


def upsample(x: Tensor, taps: Sequence[float] = BINOMIAL) -> Tensor:
    """Insert zeros and filter with four times the kernel: `[batch, channels, rows, columns]` to twice the size.

    The binomial filter's phases weigh two neighbours by 3/4 and 1/4: this is bilinear interpolation between pixel
    centres, here with a border of zeros.
    """
    if len(taps) == 2:
        return functional.interpolate(x, scale_factor=2, mode="nearest")
    if list(taps) != [taps[0] * tap for tap in BINOMIAL]:
        kernel = 4.0 * _kernel(x, taps)
        return functional.conv_transpose2d(x, kernel, stride=2, padding=len(taps) // 2 - 1, groups=x.shape[1])
    padded = functional.pad(x, (1, 1, 1, 1))
    larger = functional.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return larger[..., 2:-2, 2:-2]


def blur(x: Tensor, taps: Sequence[float] = BINOMIAL) -> Tensor:
    """Filter with a border that a 3 x 3 convolution of stride 2 then uses up: one row and column more."""
    return functional.conv2d(x, _kernel(x, taps), padding=len(taps) // 2, groups=x.shape[1])


def _kernel(x: Tensor, taps: Sequence[float]) -> Tensor:
    # Filled on the device: a copy from the host would make a GPU wait.
    line = torch.empty((len(taps),), device=x.device, dtype=x.dtype)
    total = float(sum(taps))
    for place, tap in enumerate(taps):
        line[place : place + 1].fill_(tap / total)
    return torch.outer(line, line).expand(x.shape[1], 1, len(taps), len(taps))
