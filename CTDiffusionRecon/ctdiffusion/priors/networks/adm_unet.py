"""ADM (Dhariwal and Nichol 2021, arXiv 2105.05233): the noise-predicting U-Net of DiffusionBlend and DDS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import attend, to_map, to_tokens
from .embedding import sinusoids
from .repeat import Grow, convolve_repeated, repeat
from .widths import feature_widths


class ADMUNet(nn.Module):
    """The predicted noise, and the channels of the learned variance behind it, for `[batch, channels, rows, columns]`.

    Args:
        channels: slices that it takes.
        outputs: channels that it gives: as many as it takes, or twice as many where the variance was learned.
        width: feature channels of the time embedding, and unit of `multipliers`.
        multipliers: feature channels of each level, finest first, in units of `width`; fractions such as 0.5, too.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention_levels: levels (0 is the finest) with attention behind every block.
        head_channels: feature channels of an attention head; 0 for a fixed number of `heads`.
        heads: attention heads where `head_channels` is 0.
        heads_up: attention heads of the way up where `head_channels` is 0; 0 for as many as elsewhere.
        qkv_first: whether queries, keys and values are split before the heads ("new attention order") and not after.
        labels: number of labels in the embedding, 0 for none.
        scale_shift: whether the embedding scales and shifts the second normalisation instead of being added.
        block_resampling: whether residual blocks change the resolution.
        conv_resampling: whether single convolutions do where no residual blocks do; else averages and repetition.

    Raises:
        ValueError: the heads do not divide the channels.
    """

    def __init__(
        self,
        channels: int = 1,
        outputs: int = 2,
        width: int = 256,
        multipliers: tuple[float, ...] = (1, 1, 2, 2, 4, 4),
        blocks: int = 1,
        attention_levels: tuple[int, ...] = (4,),
        head_channels: int = 64,
        heads: int = 4,
        heads_up: int = 0,
        qkv_first: bool = False,
        labels: int = 0,
        scale_shift: bool = True,
        block_resampling: bool = True,
        conv_resampling: bool = True,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.width = width
        self.multiple = 2 ** (len(multipliers) - 1)
        condition, last = 4 * width, len(multipliers) - 1
        widths = feature_widths(width, multipliers)

        def block(inputs: int, out: int, resample: str = "") -> nn.Module:
            return ResidualBlock(inputs, out, condition, scale_shift, resample)

        def attention(size: int, count: int = heads) -> nn.Module:
            if head_channels and size % head_channels:
                raise ValueError(f"attention heads of {head_channels} channels do not divide {size} channels")
            return Attention(size, size // head_channels if head_channels else count, qkv_first)

        def shrink(size: int) -> nn.Module:
            if block_resampling:
                return block(size, size, "down")
            return Shrink(size) if conv_resampling else nn.AvgPool2d(2)

        def grow(size: int) -> nn.Module:
            if block_resampling:
                return block(size, size, "up")
            return Grow(size) if conv_resampling else nn.Upsample(scale_factor=2, mode="nearest")

        self.time_embed = nn.Sequential(nn.Linear(width, condition), nn.SiLU(), nn.Linear(condition, condition))
        if labels:
            self.label_emb = nn.Embedding(labels, condition)
        current = widths[0]
        self.input_blocks = nn.ModuleList([Steps([nn.Conv2d(channels, current, 3, padding=1)])])
        skips = [current]
        for level, out in enumerate(widths):
            for _ in range(blocks):
                steps = [block(current, out)]
                current = out
                if level in attention_levels:
                    steps.append(attention(out))
                self.input_blocks.append(Steps(steps))
                skips.append(out)
            if level != last:
                self.input_blocks.append(Steps([shrink(out)]))
                skips.append(out)
        self.middle_block = Steps([block(current, current), attention(current), block(current, current)])
        self.output_blocks = nn.ModuleList()
        for level, out in reversed(list(enumerate(widths))):
            for index in range(blocks + 1):
                steps = [block(current + skips.pop(), out)]
                current = out
                if level in attention_levels:
                    steps.append(attention(out, heads_up or heads))
                if level and index == blocks:
                    steps.append(grow(out))
                self.output_blocks.append(Steps(steps))
        self.out = nn.Sequential(group_norm(current), nn.SiLU(), nn.Conv2d(current, outputs, 3, padding=1))

    def forward(self, x: Tensor, level: Tensor, label: Tensor | None = None) -> Tensor:
        """The raw output `[batch, outputs, rows, columns]`.

        Args:
            x: noisy slices `[batch, channels, rows, columns]`.
            level: timestep, whole or in between, `[batch]`.
            label: index into the embedding, `[batch]`; needed by a network with labels.
        """
        sine, cosine = sinusoids(level, self.width, self.width // 2)
        condition = self.time_embed(torch.cat([cosine, sine], dim=1))
        if hasattr(self, "label_emb"):
            condition = condition + self.label_emb(label)
        condition = functional.silu(condition)
        hidden, skips = x, []
        for steps in self.input_blocks:
            hidden = steps(hidden, condition)
            skips.append(hidden)
        hidden = self.middle_block(hidden, condition)
        for steps in self.output_blocks:
            hidden = steps(torch.cat([hidden, skips.pop()], dim=1), condition)
        out: Tensor = self.out(hidden)
        return out


class Steps(nn.ModuleList):
    """Layers in order; the residual blocks among them are told the condition."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__(layers)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, condition) if isinstance(layer, ResidualBlock) else layer(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions with the condition between them; `resample` is "up", "down" or empty.

    The layers without parameters hold the places that the names of the published tensors count.
    """

    def __init__(self, inputs: int, outputs: int, condition: int, scale_shift: bool, resample: str = "") -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = resample
        self.in_layers = nn.Sequential(group_norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.Identity(), nn.Linear(condition, 2 * outputs if scale_shift else outputs))
        self.out_layers = nn.Sequential(
            group_norm(outputs), nn.SiLU(), nn.Identity(), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`condition` is the activated embedding `[batch, features]`."""
        hidden = self.in_layers[1](self.in_layers[0](x))
        if self.resample == "up":
            hidden, x = convolve_repeated(hidden, cast(nn.Conv2d, self.in_layers[2])), repeat(x)
        else:
            if self.resample == "down":
                hidden, x = functional.avg_pool2d(hidden, 2), functional.avg_pool2d(x, 2)
            hidden = self.in_layers[2](hidden)
        embedding = self.emb_layers(condition)[:, :, None, None]
        if self.scale_shift:
            scale, shift = embedding.chunk(2, dim=1)
            hidden = torch.addcmul(shift, self.out_layers[0](hidden), 1.0 + scale)
            hidden = self.out_layers[3](functional.silu(hidden))
        else:
            hidden = self.out_layers(hidden + embedding)
        out: Tensor = self.skip_connection(x) + hidden
        return out


class Attention(nn.Module):
    """Multi-head self-attention; the heads are split before queries, keys and values, or after with `qkv_first`."""

    def __init__(self, channels: int, heads: int, qkv_first: bool = False) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"{heads} attention heads do not divide {channels} channels")
        self.heads = heads
        self.qkv_first = qkv_first
        self.norm = group_norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        qkv = functional.linear(to_tokens(self.norm(x)), self.qkv.weight[:, :, 0], self.qkv.bias)
        if self.qkv_first:
            q, k, v = qkv.reshape(*qkv.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        else:
            q, k, v = qkv.reshape(*qkv.shape[:2], self.heads, 3, -1).permute(3, 0, 2, 1, 4)
        hidden = functional.linear(attend(q, k, v), self.proj_out.weight[:, :, 0], self.proj_out.bias)
        return x + to_map(hidden, x)


class Shrink(nn.Module):
    """Half the size by a convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.op(x)
        return out


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation as in ADM.

    Raises:
        ValueError: the channels are not a multiple of 32.
    """
    return nn.GroupNorm(32, channels, eps=1e-5)
