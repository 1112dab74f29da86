"""NCSN++, the score network of MSDiff, GMSD, ISCS and DiffusionMBIR (Song et al. 2021, arXiv 2011.13456)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import fir
from .attention import attend, to_map, to_tokens
from .style import Style
from .widths import feature_widths

INPUT_PYRAMIDS = ("none", "input_skip", "residual")
OUTPUT_PYRAMIDS = ("none", "output_skip")


class NCSNpp(nn.Module):
    """The score s(x, sigma) of `[batch, channels, rows, columns]` in [0, 1], or as it is where `centred`.

    The modules are numbered in the order of their use, as in the published checkpoints, and `forward` walks them.

    Args:
        channels: slices that it takes and gives.
        width: feature channels of the finest level.
        multipliers: feature channels of each level, finest first, in units of `width`.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention_levels: levels (0 is the finest) with attention, behind each block on the way down and once on the
            way up.
        input_pyramid: how smaller copies of the input join in: not at all, by a 1 x 1 convolution that is added
            (`input_skip`), or by strided convolutions that form the main path (`residual`).
        output_pyramid: whether every level adds its part to the output (`output_skip`).
        noise_levels: length of the table `sigmas`.
        resample_filter: taps of the filter before and after resampling; none for averages and repeated pixels.
        skip_rescale: whether sums of a path and its residual are divided by sqrt(2).
        scale_by_sigma: whether the output is divided by sigma.
        centred: whether the data are centred about 0 as they come; else the network takes 2 x - 1.
        activation: swish, elu, relu or lrelu.

    Raises:
        ValueError: an unknown kind of pyramid or activation, or taps that are no filter.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 128,
        multipliers: tuple[float, ...] = (1, 2, 2, 2),
        blocks: int = 4,
        attention_levels: tuple[int, ...] = (),
        input_pyramid: str = "residual",
        output_pyramid: str = "none",
        noise_levels: int = 2000,
        resample_filter: tuple[float, ...] = fir.BINOMIAL,
        skip_rescale: bool = True,
        scale_by_sigma: bool = True,
        centred: bool = False,
        activation: str = "swish",
    ) -> None:
        super().__init__()
        if input_pyramid not in INPUT_PYRAMIDS:
            raise ValueError(f"input_pyramid must be one of {', '.join(INPUT_PYRAMIDS)}, got {input_pyramid!r}")
        if output_pyramid not in OUTPUT_PYRAMIDS:
            raise ValueError(f"output_pyramid must be one of {', '.join(OUTPUT_PYRAMIDS)}, got {output_pyramid!r}")
        self.channels = channels
        self.multiple = 2 ** (len(multipliers) - 1)
        self.blocks = blocks
        self.levels = len(multipliers)
        self.attention_levels = tuple(attention_levels)
        self.input_pyramid = input_pyramid
        self.output_pyramid = output_pyramid
        self.style = Style(activation, skip_rescale, tuple(resample_filter))
        self.scale_by_sigma = scale_by_sigma
        self.centred = centred
        # The noise levels of the training, largest first: kept because they come with the weights, not used here.
        self.register_buffer("sigmas", torch.zeros(noise_levels))
        self.all_modules = nn.ModuleList(self._modules_in_order(width, feature_widths(width, multipliers)))

    def _modules_in_order(self, width: int, widths: list[int]) -> Iterator[nn.Module]:
        condition, last, style = 4 * width, len(widths) - 1, self.style
        yield FourierFeatures(width)
        yield nn.Linear(2 * width, condition)
        yield nn.Linear(condition, condition)
        yield nn.Conv2d(self.channels, width, 3, padding=1)
        skips, current, pyramid = [width], width, self.channels
        for level, out in enumerate(widths):
            for _ in range(self.blocks):
                yield ResidualBlock(current, out, condition, style)
                current = out
                if level in self.attention_levels:
                    yield Attention(out, style)
                skips.append(out)
            if level != last:
                yield ResidualBlock(out, out, condition, style, "down")
                if self.input_pyramid == "input_skip":
                    yield AddedInput(pyramid, out)
                elif self.input_pyramid == "residual":
                    yield StridedInput(pyramid, out, style)
                    pyramid = out
                skips.append(out)
        yield ResidualBlock(current, current, condition, style)
        yield Attention(current, style)
        yield ResidualBlock(current, current, condition, style)
        for level, out in reversed(list(enumerate(widths))):
            for _ in range(self.blocks + 1):
                yield ResidualBlock(current + skips.pop(), out, condition, style)
                current = out
            if level in self.attention_levels:
                yield Attention(out, style)
            if self.output_pyramid == "output_skip" or level == 0:
                yield group_norm(out)
                yield nn.Conv2d(out, self.channels, 3, padding=1)
            if level != 0:
                yield ResidualBlock(out, out, condition, style, "up")

    def forward(self, x: Tensor, level: Tensor, label: Tensor | None = None) -> Tensor:
        """The score.

        Args:
            x: noisy slices `[batch, channels, rows, columns]`.
            level: noise standard deviation sigma, `[batch]`.
            label: not used.
        """
        modules = iter(self.all_modules)
        condition = next(modules)(level.log())
        condition = self.style.act(next(modules)(condition))
        condition = self.style.act(next(modules)(condition))
        pyramid = x if self.centred else 2.0 * x - 1.0
        hidden = next(modules)(pyramid)
        skips = [hidden]
        for depth in range(self.levels):
            for _ in range(self.blocks):
                hidden = next(modules)(hidden, condition)
                if depth in self.attention_levels:
                    hidden = next(modules)(hidden)
                skips.append(hidden)
            if depth != self.levels - 1:
                hidden = next(modules)(hidden, condition)
                if self.input_pyramid == "input_skip":
                    pyramid = self.style.down(pyramid)
                    hidden = next(modules)(pyramid, hidden)
                elif self.input_pyramid == "residual":
                    hidden = pyramid = next(modules)(pyramid, hidden)
                skips.append(hidden)
        hidden = next(modules)(hidden, condition)
        hidden = next(modules)(hidden)
        hidden = next(modules)(hidden, condition)
        output: Tensor | None = None
        for depth in reversed(range(self.levels)):
            for _ in range(self.blocks + 1):
                hidden = next(modules)(torch.cat([hidden, skips.pop()], dim=1), condition)
            if depth in self.attention_levels:
                hidden = next(modules)(hidden)
            if self.output_pyramid == "output_skip" or depth == 0:
                part = self.style.act(next(modules)(hidden))
                part = next(modules)(part)
                output = part if output is None else self.style.up(output) + part
            if depth != 0:
                hidden = next(modules)(hidden, condition)
        assert output is not None
        return output / level[:, None, None, None] if self.scale_by_sigma else output


class FourierFeatures(nn.Module):
    """Sines and cosines of the noise level at random frequencies, which are not trained."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.W = nn.Parameter(16.0 * torch.randn(count), requires_grad=False)

    def forward(self, log_level: Tensor) -> Tensor:
        """`[batch]` to `[batch, 2 count]`."""
        phase = log_level[:, None] * self.W * (2.0 * math.pi)
        return torch.cat([phase.sin(), phase.cos()], dim=1)


class ResidualBlock(nn.Module):
    """BigGAN's residual block; `resample` is "up", "down" or empty."""

    def __init__(self, inputs: int, outputs: int, condition: int, style: Style, resample: str = "") -> None:
        super().__init__()
        self.style = style
        self.resample = style.resample(resample)
        self.GroupNorm_0 = group_norm(inputs)
        self.Conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.Dense_0 = nn.Linear(condition, outputs)
        self.GroupNorm_1 = group_norm(outputs)
        self.Conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.Conv_2 = nn.Conv2d(inputs, outputs, 1) if inputs != outputs or resample else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`condition` is the activated embedding `[batch, features]`."""
        hidden = self.style.act(self.GroupNorm_0(x))
        if self.resample is not None:
            hidden, x = self.resample(hidden), self.resample(x)
        hidden = self.Conv_0(hidden) + self.Dense_0(condition)[:, :, None, None]
        hidden = self.Conv_1(self.style.act(self.GroupNorm_1(hidden)))
        if self.Conv_2 is not None:
            x = self.Conv_2(x)
        return self.style.joined(x, hidden)


class Attention(nn.Module):
    """Single-head self-attention."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.style = style
        self.GroupNorm_0 = group_norm(channels)
        self.NIN_0 = PixelwiseLinear(channels)
        self.NIN_1 = PixelwiseLinear(channels)
        self.NIN_2 = PixelwiseLinear(channels)
        self.NIN_3 = PixelwiseLinear(channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = to_tokens(self.GroupNorm_0(x))
        q, k, v = (layer(tokens)[:, None] for layer in (self.NIN_0, self.NIN_1, self.NIN_2))
        return self.style.joined(x, to_map(self.NIN_3(attend(q, k, v)), x))


class PixelwiseLinear(nn.Module):
    """A linear map of the channels whose matrix is stored as `[input, output]`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.randn(channels, channels) / math.sqrt(channels))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.linear(tokens, self.W.t(), self.b)


class AddedInput(nn.Module):
    """The smaller input, through a 1 x 1 convolution, added to the features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.Conv_0 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, pyramid: Tensor, hidden: Tensor) -> Tensor:
        out: Tensor = self.Conv_0(pyramid) + hidden
        return out


class StridedInput(nn.Module):
    """The input pyramid's next level: filtered, a convolution of stride 2, and the features added.

    Without a filter the convolution has another name in the published checkpoints, and one more row and column below
    and on the right.
    """

    def __init__(self, inputs: int, outputs: int, style: Style) -> None:
        super().__init__()
        self.style = style
        setattr(self, "Conv2d_0" if style.resample_filter else "Conv_0", nn.Conv2d(inputs, outputs, 3, stride=2))

    def forward(self, pyramid: Tensor, hidden: Tensor) -> Tensor:
        if self.style.resample_filter:
            smaller: Tensor = cast(nn.Conv2d, self.Conv2d_0)(fir.blur(pyramid, self.style.taps))
        else:
            smaller = cast(nn.Conv2d, self.Conv_0)(functional.pad(pyramid, (0, 1, 0, 1)))
        return self.style.joined(smaller, hidden)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation as in score_sde."""
    return nn.GroupNorm(max(1, min(channels // 4, 32)), channels, eps=1e-6)
