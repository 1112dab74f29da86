"""Resampling and attention against their definitions, spelled out."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.priors.networks import fir
from ctdiffusion.priors.networks.attention import attend, to_map, to_tokens
from ctdiffusion.priors.networks.repeat import convolve_repeated, repeat
from torch import Tensor


def filtered(x: Tensor, up: int, down: int, before: int, after: int) -> Tensor:
    """Zeros in between, border, filter [1, 3, 3, 1], every `down`-th: one axis at a time, in float64."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8.0 * up
    for axis in (2, 3):
        moved = x.double().movedim(axis, -1)
        spread = torch.zeros(*moved.shape[:-1], moved.shape[-1] * up, dtype=torch.float64)
        spread[..., ::up] = moved
        padded = torch.nn.functional.pad(spread, (before, after))
        moved = (padded.unfold(-1, 4, 1) * taps).sum(-1)[..., ::down]
        x = moved.movedim(-1, axis)
    return x


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 1, 2, 2), (1, 5, 1, 1)])
def test_resampling_is_the_binomial_filter(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fir.upsample(x).double(), filtered(x, 2, 1, 2, 1), atol=1e-6)
    if shape[2] > 1:
        assert torch.allclose(fir.downsample(x).double(), filtered(x, 1, 2, 1, 1), atol=1e-6)
    assert torch.allclose(fir.blur(x).double(), filtered(x, 1, 1, 2, 2), atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (1, 40, 3, 3), (1, 2, 2, 2)])
def test_convolving_repeated_pixels(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(shape[1], 5, 3, padding=1).double()
    x = torch.randn(shape, dtype=torch.float64)
    pixels = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(repeat(x), pixels)
    assert torch.allclose(convolve_repeated(x, convolution), convolution(pixels), atol=1e-12)


def test_attention_is_softmax() -> None:
    q, k, v = torch.randn(3, 2, 4, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, dim=-1)
    expected = torch.cat([(weights @ v)[:, head] for head in range(4)], dim=-1)
    assert torch.allclose(attend(q, k, v), expected)


def test_tokens_are_pixels() -> None:
    x = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    assert torch.equal(to_tokens(x)[1, 2 * 5 + 3], x[1, :, 2, 3])
    assert torch.equal(to_map(to_tokens(x), x), x)
