"""A 3x3 convolution of channels-last images by F(4x4, 3x3): transform, 36 matrix products, transform back."""

from __future__ import annotations

import torch
from torch import Tensor

# Bytes of planes per thread that go through the three stages together: they should stay in the second cache. Fewer
# tiles than the least would wait for the weights, more than the most gain nothing.
CHUNK_BYTES = 1_250_000
TILES = (63, 255)
# G of arXiv:1509.09308, section 4.3: from three weights in a row to six.
_WEIGHTS = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)


class Workspace:
    """The planes of both transforms, kept between calls; memory is taken as far as it is written to."""

    def __init__(self) -> None:
        from .kernels import PLANE

        self.plane = PLANE
        self.spread = torch.zeros(36 * PLANE)
        self.products = torch.zeros(36 * PLANE)


def transformed(weight: Tensor) -> Tensor:
    """Weights `[out, in, 3, 3]` as the 36 matrices `[in, out]` of the products."""
    g = torch.tensor(_WEIGHTS, dtype=torch.float64)
    spectrum = torch.einsum("py,qx,oiyx->pqio", g, g, weight.detach().double())
    return spectrum.flatten(0, 1).float().contiguous()


def convolve(
    x: Tensor,
    weights: Tensor,
    scale: Tensor,
    shift: Tensor,
    workspace: Workspace,
    activate: bool = False,
    added: Tensor | None = None,
) -> Tensor:
    """scale * (x * w) + shift, then silu (`activate`) or plus `added`; what lies outside of an image is 0.

    Args:
        x: images `[image, channel, row, column]`, float32; any memory format, channels last is the fast one.
        weights: from `transformed`.
        scale, shift: `[image, channel]` of the result.
        workspace: of this thread.
        added: of the shape of the result.

    Returns:
        The result in channels-last memory format.
    """
    from . import kernels

    images, channels, rows, columns = x.shape
    outputs = weights.shape[2]
    source = x.permute(0, 2, 3, 1).contiguous().numpy()
    result = torch.empty((images, rows, columns, outputs))
    other = result if added is None else added.permute(0, 2, 3, 1).contiguous()
    factor, offset = scale.contiguous().numpy(), shift.contiguous().numpy()
    down, across = -(-rows // 4), -(-columns // 4)
    total, shares = images * down * across, threads()
    step = chunk(total, channels, outputs, shares, workspace.plane)
    before = workspace.spread.as_strided((36, step, channels), (workspace.plane, channels, 1))
    after = workspace.products[: 36 * step * outputs].view(36, step, outputs)
    into, products = workspace.spread.numpy(), workspace.products.numpy()
    tail = (factor, offset, other.numpy(), activate, added is not None, result.numpy())
    for first in range(0, total, step):
        count = min(step, total - first)
        if shares == 1:
            # Without numba's own threads: handing a few microseconds of work to another one takes longer than it.
            kernels.spread_range(source, down, across, first, 0, count, into)
            torch.bmm(before, weights, out=after)
            kernels.collect_range(products, step * outputs, down, across, first, 0, count, *tail)
        else:
            kernels.spread(source, down, across, first, count, into, shares)
            torch.bmm(before, weights, out=after)
            kernels.collect(products, step * outputs, down, across, first, count, *tail, shares)
    return result.permute(0, 3, 1, 2)


def chunk(total: int, channels: int, outputs: int, shares: int, plane: int) -> int:
    """Tiles that go through the stages together, of `total`.

    An odd number: planes whose distance is a multiple of 4096 bytes would compete for lines of the first cache.
    """
    tiles = CHUNK_BYTES // (144 * (channels + outputs))
    tiles = min(max(tiles, TILES[0]), TILES[1]) * shares
    tiles = min(tiles, plane // max(channels, outputs) - 1)
    passes = max(1, round(total / tiles))
    return min(-(-total // passes) | 1, plane // max(channels, outputs))


def threads() -> int:
    """Threads that torch and numba both may use."""
    import numba

    return max(1, min(torch.get_num_threads(), int(numba.get_num_threads())))
