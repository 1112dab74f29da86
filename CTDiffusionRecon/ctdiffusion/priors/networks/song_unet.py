"""DDPM++ and NCSN++ (Song et al. 2021, arXiv 2011.13456) with the tensor names of EDM's files (Karras et al. 2022).

Residual blocks and attention end in a sum times sqrt(1/2); the steps down and up are residual blocks whose first
convolution and skip resample. One head; queries, keys and values of a channel lie side by side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import fir
from .attention import attend, to_map, to_tokens
from .embedding import sinusoids
from .widths import feature_widths

EMBEDDINGS = ("positional", "fourier")
ENCODERS = ("standard", "skip", "residual")
DECODERS = ("standard", "skip")
_HALF = math.sqrt(0.5)


class SongUNet(nn.Module):
    """The raw output F for `[batch, channels, rows, columns]`.

    Args:
        channels: slices that it takes and gives.
        resolution: side of the training images; the published tensors are named by it.
        width: feature channels of the finest level.
        multipliers: feature channels of each level, finest first, in units of `width`.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention_levels: levels (0 is the finest) with attention behind each block on the way down and behind the last
            one on the way up.
        embedding: of the noise level: `positional` (DDPM++) or `fourier` (NCSN++).
        noise_features, condition: features of that embedding, and of what the blocks are told; 0 for the width and
            four times the width.
        encoder: how smaller copies of the input join in: not (`standard`), added (`skip`), or as the main path
            (`residual`, NCSN++).
        decoder: whether every level adds its part to the output (`skip`) or the last alone (`standard`).
        resample_filter: taps of the filter before and after resampling.
        labels: length of a class vector; the network is told zeros.

    Raises:
        ValueError: an unknown kind of embedding, encoder or decoder, or taps that are no filter.
    """

    def __init__(
        self,
        channels: int = 1,
        resolution: int = 256,
        width: int = 128,
        multipliers: tuple[float, ...] = (1, 2, 2, 2),
        blocks: int = 4,
        attention_levels: tuple[int, ...] = (),
        embedding: str = "positional",
        noise_features: int = 0,
        condition: int = 0,
        encoder: str = "standard",
        decoder: str = "standard",
        resample_filter: tuple[float, ...] = fir.BOX,
        labels: int = 0,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("embedding", embedding, EMBEDDINGS), ("encoder", encoder, ENCODERS), ("decoder", decoder, DECODERS),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        fir.check_taps(resample_filter)
        self.channels = channels
        self.multiple = 2 ** (len(multipliers) - 1)
        self.encoder, self.decoder = encoder, decoder
        self.taps = tuple(resample_filter)
        features, condition = noise_features or width, condition or 4 * width
        self.map_noise: nn.Module = Sinusoids(features) if embedding == "positional" else FourierFeatures(features)
        self.map_label = nn.Linear(labels, features) if labels else None
        self.map_layer0 = nn.Linear(features, condition)
        self.map_layer1 = nn.Linear(condition, condition)
        widths = feature_widths(width, multipliers)
        sides = [f"{resolution >> level}x{resolution >> level}" for level in range(len(widths))]
        attended = [level in attention_levels for level in range(len(widths))]
        self.enc = nn.ModuleDict()
        current, pyramid, skips = width, channels, [width]
        for level, (side, out) in enumerate(zip(sides, widths, strict=True)):
            if level == 0:
                self.enc[f"{side}_conv"] = nn.Conv2d(channels, width, 3, padding=1)
            else:
                self.enc[f"{side}_down"] = Block(current, current, condition, self.taps, "down")
                skips.append(current)
                if encoder == "skip":
                    self.enc[f"{side}_aux_skip"] = nn.Conv2d(pyramid, current, 1)
                elif encoder == "residual":
                    self.enc[f"{side}_aux_residual"] = nn.Conv2d(pyramid, current, 3, stride=2)
                    pyramid = current
            for index in range(blocks):
                self.enc[f"{side}_block{index}"] = Block(current, out, condition, attention=attended[level])
                current = out
                skips.append(out)
        self.dec = nn.ModuleDict()
        for level, out in reversed(list(enumerate(widths))):
            side = sides[level]
            if level == len(widths) - 1:
                self.dec[f"{side}_in0"] = Block(current, current, condition, attention=True)
                self.dec[f"{side}_in1"] = Block(current, current, condition)
            else:
                self.dec[f"{side}_up"] = Block(current, current, condition, self.taps, "up")
            for index in range(blocks + 1):
                attention = attended[level] and index == blocks
                self.dec[f"{side}_block{index}"] = Block(current + skips.pop(), out, condition, attention=attention)
                current = out
            if decoder == "skip" or level == 0:
                self.dec[f"{side}_aux_norm"] = group_norm(out)
                self.dec[f"{side}_aux_conv"] = nn.Conv2d(out, channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor, label: Tensor | None = None) -> Tensor:
        """The raw output.

        Args:
            x: scaled noisy slices `[batch, channels, rows, columns]`.
            level: what the network is told of the noise level, `[batch]`.
            label: not used.
        """
        features = self.map_noise(level)
        if self.map_label is not None:
            features = features + self.map_label.bias
        condition = functional.silu(self.map_layer1(functional.silu(self.map_layer0(features))))
        hidden, pyramid = x, x
        skips: list[Tensor] = []
        for name, layer in self.enc.items():
            if name.endswith("_aux_skip"):
                pyramid = fir.downsample(pyramid, self.taps)
                hidden = skips[-1] = hidden + layer(pyramid)
            elif name.endswith("_aux_residual"):
                hidden = skips[-1] = pyramid = (hidden + layer(fir.blur(pyramid, self.taps))) * _HALF
            else:
                hidden = layer(hidden, condition) if isinstance(layer, Block) else layer(hidden)
                skips.append(hidden)
        output: Tensor | None = None
        for name, layer in self.dec.items():
            if name.endswith("_aux_norm"):
                part = functional.silu(layer(hidden))
            elif name.endswith("_aux_conv"):
                part = layer(part)
                output = part if output is None else fir.upsample(output, self.taps) + part
            elif "_block" in name:
                hidden = layer(torch.cat([hidden, skips.pop()], dim=1), condition)
            else:
                hidden = layer(hidden, condition)
        assert output is not None
        return output


class Sinusoids(nn.Module):
    """Sines and cosines of the noise level at fixed frequencies."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, level: Tensor) -> Tensor:
        """`[batch]` to `[batch, features]`."""
        return torch.cat(sinusoids(level, self.features, self.features // 2 - 1), dim=1)


class FourierFeatures(nn.Module):
    """Sines and cosines of the noise level at random frequencies, which come with the weights."""

    freqs: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("freqs", torch.zeros(features // 2))

    def forward(self, level: Tensor) -> Tensor:
        """`[batch]` to `[batch, features]`."""
        phase = level[:, None] * (2.0 * math.pi * self.freqs)
        return torch.cat([phase.sin(), phase.cos()], dim=1)


class Block(nn.Module):
    """Two convolutions with the condition between them, and attention; `resample` is "up", "down" or empty."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        condition: int,
        taps: tuple[float, ...] = fir.BOX,
        resample: str = "",
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.taps, self.resample = taps, resample
        self.norm0 = group_norm(inputs)
        self.conv0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.affine = nn.Linear(condition, outputs)
        self.norm1 = group_norm(outputs)
        self.conv1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs or resample else None
        self.norm2 = group_norm(outputs) if attention else None
        self.qkv = nn.Conv2d(outputs, 3 * outputs, 1) if attention else None
        self.proj = nn.Conv2d(outputs, outputs, 1) if attention else None

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`condition` is the activated embedding `[batch, features]`."""
        hidden = self._resampled(functional.silu(self.norm0(x)))
        hidden = self.conv0(hidden) + self.affine(condition)[:, :, None, None]
        hidden = self.conv1(functional.silu(self.norm1(hidden)))
        if self.skip is not None:
            x = self.skip(self._resampled(x))
        x = (x + hidden) * _HALF
        if self.norm2 is None or self.qkv is None or self.proj is None:
            return x
        q, k, v = to_tokens(self.qkv(self.norm2(x))).unflatten(2, (-1, 3)).unbind(3)  # type: ignore[no-untyped-call]
        attended = attend(q[:, None], k[:, None], v[:, None])
        out: Tensor = (x + self.proj(to_map(attended, x))) * _HALF
        return out

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return fir.downsample(x, self.taps)
        return fir.upsample(x, self.taps) if self.resample == "up" else x


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with four channels or more to a group."""
    return nn.GroupNorm(max(1, min(channels // 4, 32)), channels, eps=1e-6)
