"""The U-Net of DDPM (Ho et al. 2020, arXiv 2006.11239), as CvG-Diff uses it for restoration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import attend, to_map, to_tokens
from .embedding import sinusoids
from .repeat import Grow
from .widths import feature_widths


class DDPMUNet(nn.Module):
    """The raw output F(x, level) for `[batch, channels, rows, columns]`.

    Args:
        channels: slices that it takes and gives.
        width: feature channels of the finest level.
        multipliers: feature channels of each level, finest first, in units of `width`.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention_levels: levels (0 is the finest) with attention behind every block.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 128,
        multipliers: tuple[float, ...] = (1, 2, 2, 2),
        blocks: int = 2,
        attention_levels: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.channels = channels
        self.multiple = 2 ** (len(multipliers) - 1)
        condition, last = 4 * width, len(multipliers) - 1
        widths = feature_widths(width, multipliers)
        self.temb = LevelEmbedding(width, condition)
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        current, skips = width, [width]
        self.down = nn.ModuleList()
        for level, out in enumerate(widths):
            inputs = [current] + [out] * (blocks - 1)
            shrink = Shrink(out) if level != last else None
            self.down.append(Level(inputs, out, condition, level in attention_levels, downsample=shrink))
            skips += [out] * (blocks + (level != last))
            current = out
        self.mid = Middle(current, condition)
        up = []
        for level, out in reversed(list(enumerate(widths))):
            inputs = [hidden + skips.pop() for hidden in [current] + [out] * blocks]
            grow = Grow(out) if level else None
            up.append(Level(inputs, out, condition, level in attention_levels, upsample=grow))
            current = out
        self.up = nn.ModuleList(reversed(up))
        self.norm_out = group_norm(current)
        self.conv_out = nn.Conv2d(current, channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor, label: Tensor | None = None) -> Tensor:
        """The raw output.

        Args:
            x: slices `[batch, channels, rows, columns]`.
            level: timestep or degradation level, `[batch]`.
            label: not used.
        """
        condition = functional.silu(self.temb(level))
        hidden = self.conv_in(x)
        skips = [hidden]
        for stage in cast(Iterable[Level], self.down):
            for block in stage.steps():
                hidden = block(hidden, condition)
                skips.append(hidden)
            if stage.downsample is not None:
                hidden = stage.downsample(hidden)
                skips.append(hidden)
        hidden = self.mid(hidden, condition)
        for stage in reversed(cast(Sequence[Level], self.up)):
            for block in stage.steps():
                hidden = block(torch.cat([hidden, skips.pop()], dim=1), condition)
            if stage.upsample is not None:
                hidden = stage.upsample(hidden)
        out: Tensor = self.conv_out(functional.silu(self.norm_out(hidden)))
        return out


class LevelEmbedding(nn.Module):
    """The level's sines and cosines through two linear layers."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.ModuleList([nn.Linear(width, condition), nn.Linear(condition, condition)])

    def forward(self, level: Tensor) -> Tensor:
        features = torch.cat(sinusoids(level, self.width, self.width // 2 - 1), dim=1)
        out: Tensor = self.dense[1](functional.silu(self.dense[0](features)))
        return out


class Level(nn.Module):
    """The blocks of one resolution, each with its attention where there is one, and the step to the next resolution."""

    def __init__(
        self,
        inputs: list[int],
        out: int,
        condition: int,
        attention: bool,
        downsample: nn.Module | None = None,
        upsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(size, out, condition) for size in inputs)
        self.attn = nn.ModuleList(Attention(out) for _ in inputs if attention)
        self.downsample = downsample
        self.upsample = upsample

    def steps(self) -> list[Step]:
        """The blocks in order."""
        attention: Sequence[nn.Module | None] = list(self.attn) or [None] * len(self.block)
        return [Step(*pair) for pair in zip(self.block, attention, strict=True)]


class Step:
    """One residual block and the attention behind it."""

    def __init__(self, block: nn.Module, attention: nn.Module | None) -> None:
        self.block = block
        self.attention = attention

    def __call__(self, x: Tensor, condition: Tensor) -> Tensor:
        hidden: Tensor = self.block(x, condition)
        return hidden if self.attention is None else self.attention(hidden)


class Middle(nn.Module):
    """Block, attention, block at the coarsest level."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels, condition)
        self.attn_1 = Attention(channels)
        self.block_2 = ResidualBlock(channels, channels, condition)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.block_2(self.attn_1(self.block_1(x, condition)), condition)
        return out


class ResidualBlock(nn.Module):
    """Two convolutions, the level's embedding added between them. The training's dropout has no part here."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1 = group_norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.temb_proj = nn.Linear(condition, outputs)
        self.norm2 = group_norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`condition` is the activated embedding `[batch, features]`."""
        hidden = self.conv1(functional.silu(self.norm1(x))) + self.temb_proj(condition)[:, :, None, None]
        hidden = self.conv2(functional.silu(self.norm2(hidden)))
        out: Tensor = (x if self.nin_shortcut is None else self.nin_shortcut(x)) + hidden
        return out


class Attention(nn.Module):
    """Single-head self-attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(x)
        q, k, v = (to_tokens(layer(hidden))[:, None] for layer in (self.q, self.k, self.v))
        out: Tensor = x + self.proj_out(to_map(attend(q, k, v), x))
        return out


class Shrink(nn.Module):
    """Half the size: a border on the right and below, then a convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1)))
        return out


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation as in DDPM.

    Raises:
        ValueError: the channels are not a multiple of 32.
    """
    return nn.GroupNorm(32, channels, eps=1e-6)
