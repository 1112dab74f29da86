"""The cold-restoration U-Net: from the image of a sparse scan to the clean one, for any view count.

The triplet U-Net with one slice and more levels, because streaks are long. It predicts the streaks, in units of their
usual strength at that view count, and is told the view count as a number: counts between its levels are interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .unet import TripletUNet

# Strength of the streaks of v views in the prior's range, as measured on the training scans: about 2.4 / v.
STRENGTH = 2.4
# Mean and standard deviation of CT images in that range.
MEAN, DEVIATION = 0.25, 0.3


class ColdUNet(nn.Module):
    """R(x, level) on `[batch, 1, rows, columns]`; `level` indexes `levels` (views per full turn)."""

    views: Tensor
    # Levels between those it was trained on have a meaning to it.
    continuous = True

    def __init__(self, levels: Sequence[int], widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        if not levels or any(not isinstance(v, int) or v < 1 for v in levels):
            raise ValueError(f"levels must be numbers of views, got {list(levels)!r}")
        self.channels = 1
        self.network = TripletUNet(widths, blocks, labels=1, slices=1)
        self.multiple = self.network.multiple
        self.register_buffer("views", torch.tensor([math.log(v) for v in levels]), persistent=False)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """The clean images.

        Args:
            x: images of sparse scans in the prior's range.
            level: `[batch]`, integer or not.
        """
        position = level.to(self.views.dtype).clamp(0, len(self.views) - 1)
        lower = position.floor().long()
        upper = position.ceil().long()
        log_views = torch.lerp(self.views[lower], self.views[upper], position - lower)
        strength = (STRENGTH * torch.exp(-log_views))[:, None, None, None]
        label = torch.zeros_like(lower)
        scaled = (x - MEAN) / DEVIATION
        streaks: Tensor = self.network(scaled, (log_views - math.log(72.0)) / 2.0, label, torch.zeros_like(log_views))
        return x - strength * streaks
