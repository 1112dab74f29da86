"""A 3x3 convolution of channels-last images by F(4x4, 3x3): transform, 36 matrix products, transform back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Tiles per thread that go through the three stages together: few enough for the second cache, enough for the products.
TILES = 192
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
        self._spread = torch.empty(36 * PLANE)
        self._collected = torch.empty(36 * PLANE)

    def flat(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both sets of planes as the kernels take them."""
        return self._spread.numpy(), self._collected.numpy()

    def spread(self, tiles: int, channels: int) -> Tensor:
        """Transformed input, 36 planes `[tile, channel]`."""
        return self._spread.as_strided((36, tiles, channels), (self.plane, channels, 1))

    def products(self, tiles: int, channels: int) -> Tensor:
        """Products with the weights, likewise."""
        return self._collected.as_strided((36, tiles, channels), (self.plane, channels, 1))


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
    most = min(TILES * shares, workspace.plane // max(channels, outputs))
    passes = -(-total // most)
    into, out_of = workspace.flat()
    for k in range(passes):
        first, last = k * total // passes, (k + 1) * total // passes
        count = last - first
        before, after = workspace.spread(count, channels), workspace.products(count, outputs)
        if shares == 1:
            # Without numba's own threads: handing a few microseconds of work to another one takes longer than it.
            kernels.spread_range(source, down, across, first, 0, count, into)
        else:
            kernels.spread(source, down, across, first, count, into, shares)
        torch.bmm(before, weights, out=after)
        tail = (factor, offset, other.numpy(), activate, added is not None, result.numpy())
        if shares == 1:
            kernels.collect_range(out_of, down, across, first, 0, count, *tail)
        else:
            kernels.collect(out_of, down, across, first, count, *tail, shares)
    return result.permute(0, 3, 1, 2)


def threads() -> int:
    """Threads that torch and numba both may use."""
    import numba

    return max(1, min(torch.get_num_threads(), int(numba.get_num_threads())))
