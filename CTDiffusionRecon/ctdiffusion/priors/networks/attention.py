"""Self-attention over the pixels of a feature map, by PyTorch's fused kernel."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def to_tokens(x: Tensor) -> Tensor:
    """`[batch, channels, rows, columns]` to `[batch, pixels, channels]`; free of cost for channels-last maps."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_map(tokens: Tensor, like: Tensor) -> Tensor:
    """The inverse of `to_tokens`, with the rows and columns of `like`."""
    return tokens.reshape(tokens.shape[0], *like.shape[2:], tokens.shape[2]).permute(0, 3, 1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k' / sqrt(features)) v for `[batch, heads, pixels, features]`; returns `[batch, pixels, channels]`."""
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
