"""The cold-restoration network: from the image of a sparse scan to the clean one, for any view count.

The triplet U-Net with one slice, preconditioned as the Gaussian denoiser that takes streaks for noise of their usual
strength. So it can start from the weights of `ct-triplet-256`, which alone remove more streaks than twenty minutes of
training on a CPU core do from nothing. The view count is a number to it: counts between its levels have a meaning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..denoiser import EDMDenoiser
from .unet import TripletUNet

# Statistics of CT images in the prior's range, and the pixel size that stands for all, as in `ct-triplet-256`.
DEVIATION, MEAN, LOG_SPACING = 0.3, 0.25, math.log(1.5)


class ColdUNet(nn.Module):
    """R(x, level) on `[batch, 1, rows, columns]`; `level` indexes `levels` (views per full turn), or lies between."""

    views: Tensor
    # Levels between those it was trained on have a meaning to it.
    continuous = True

    def __init__(self, levels: Sequence[int], widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        if not levels or any(not isinstance(v, int) or v < 1 for v in levels):
            raise ValueError(f"levels must be numbers of views, got {list(levels)!r}")
        self.channels = 1
        network = TripletUNet(widths, blocks, labels=1, slices=1)
        self.multiple = network.multiple
        self.denoiser = EDMDenoiser(network, DEVIATION, MEAN)
        self.register_buffer("views", torch.tensor([math.log(v) for v in levels]), persistent=False)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """The clean images.

        Args:
            x: images of sparse scans in the prior's range.
            level: `[batch]`, integer or not.
        """
        position = level.to(self.views.dtype).clamp(0, len(self.views) - 1)
        lower, upper = position.floor().long(), position.ceil().long()
        log_views = torch.lerp(self.views[lower], self.views[upper], position - lower)
        # Streaks of v views disturb the denoiser about as much as noise of v^-1/2 does.
        sigma = torch.exp(-0.5 * log_views)
        estimate: Tensor = self.denoiser(x, sigma, torch.zeros_like(lower), torch.full_like(sigma, LOG_SPACING))
        return estimate


def from_triplets(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `ColdUNet` from those of a triplet U-Net of the same widths shown the same slice three times.

    The three input slices are summed, the three outputs averaged, and of the labels the first (same slice) is kept, so
    both networks are the same function of a slice.
    """
    out = dict(state)
    stem, head, bias = state["stem.weight"], state["head.weight"], state["head.bias"]
    out["stem.weight"] = stem.unflatten(1, (3, -1)).sum(1)  # type: ignore[no-untyped-call]
    out["head.weight"] = head.unflatten(0, (3, -1)).mean(0)  # type: ignore[no-untyped-call]
    out["head.bias"] = bias.unflatten(0, (3, -1)).mean(0)  # type: ignore[no-untyped-call]
    out["label_embedding.weight"] = state["label_embedding.weight"][:1]
    return {f"denoiser.network.{name}": value.contiguous() for name, value in out.items()}
