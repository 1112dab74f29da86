"""The triplet U-Net: a small convolutional denoiser for stacks of three CT slices.

Built for CPUs first. A pixel-unshuffle stem moves the work to half resolution, skips are added rather than
concatenated, and there is neither normalisation nor attention: EDM input scaling already bounds the activations,
and on a CPU both are memory-bound and cost more time than they earn (docs/notes/prior.md has the measurement).
Residual branches start at zero, so the untrained network is the identity of its skip path.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..winograd.layer import WinogradConv2d


class FourierFeatures(nn.Module):
    """Sine and cosine of a scalar at geometrically spaced frequencies, `[batch] -> [batch, 2 * bands]`."""

    frequencies: Tensor

    def __init__(self, bands: int, lowest: float, highest: float) -> None:
        super().__init__()
        # On the CPU even while a network is built without memory: there these functions would import a compiler.
        frequencies = torch.exp(torch.linspace(math.log(lowest), math.log(highest), bands, device="cpu"))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        phase = 2.0 * math.pi * value[:, None] * self.frequencies[None, :]
        return torch.cat([phase.sin(), phase.cos()], dim=1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an activation that the condition scales and shifts."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * channels)
        self.conv_out = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        first, second = self.conv_in, self.conv_out
        if isinstance(first, WinogradConv2d) and isinstance(second, WinogradConv2d) and first.takes(x):
            scale, shift = self.modulation(condition).chunk(2, dim=1)
            scale = 1.0 + scale
            hidden = first.convolved(x, scale, torch.addcmul(shift, first.shift(x), scale), activate=True)
            return second.convolved(hidden, torch.ones_like(scale), second.shift(x), added=x)
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.conv_in(x), 1.0 + scale)
        update: Tensor = self.conv_out(functional.silu(hidden))
        return x + update


class Stage(nn.ModuleList):
    """Residual blocks at one resolution."""

    def __init__(self, blocks: int, channels: int, condition: int) -> None:
        super().__init__([ResidualBlock(channels, condition) for _ in range(blocks)])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for block in self:
            x = block(x, condition)
        return x


class TripletUNet(nn.Module):
    """U-Net on `[batch, 3, rows, columns]`, conditioned on noise level, slice-spacing label and pixel size.

    Rows and columns must be multiples of `multiple` (the caller pads). `widths` and `blocks` run from the finest
    level to the coarsest; the coarsest is visited once, the others on the way down and on the way up.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (48, 96, 192, 256),
        blocks: tuple[int, ...] = (1, 1, 2, 2),
        labels: int = 8,
        unshuffle: int = 2,
        condition: int = 128,
        slices: int = 3,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"widths and blocks differ in length: {len(widths)} and {len(blocks)}")
        self.channels = slices
        self.unshuffle = unshuffle
        self.multiple = unshuffle * 2 ** (len(widths) - 1)
        self.noise_features = FourierFeatures(16, 0.05, 1.0)
        self.spacing_features = FourierFeatures(8, 0.05, 0.5)
        self.label_embedding = nn.Embedding(labels, condition)
        self.condition_in = nn.Linear(32 + 16, condition)
        self.condition_out = nn.Linear(condition, condition)
        self.stem = nn.Conv2d(slices * unshuffle**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Stage(n, w, condition) for n, w in zip(blocks, widths, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(Stage(n, w, condition) for n, w in zip(blocks[:-1], widths[:-1], strict=True))
        self.head = nn.Conv2d(widths[0], slices * unshuffle**2, 3, padding=1)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        """Return the raw network output F.

        Args:
            x: scaled noisy slices `[batch, 3, rows, columns]`.
            noise: the EDM noise condition c_noise = log(sigma) / 4, `[batch]`.
            label: slice-spacing label `[batch]`, int64.
            log_spacing: natural logarithm of the pixel size in mm, `[batch]`.
        """
        features = torch.cat([self.noise_features(noise), self.spacing_features(log_spacing)], dim=1)
        condition = functional.silu(self.condition_in(features) + self.label_embedding(label))
        condition = functional.silu(self.condition_out(condition))
        hidden = self.stem(functional.pixel_unshuffle(x, self.unshuffle))
        skips = []
        for stage, shrink in zip(self.down, self.shrink, strict=False):
            hidden = stage(hidden, condition)
            skips.append(hidden)
            hidden = shrink(hidden)
        hidden = self.down[-1](hidden, condition)
        for stage, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            hidden = stage(grow(hidden) + skip, condition)
        return functional.pixel_shuffle(self.head(hidden), self.unshuffle)
