"""The two transforms of F(4x4, 3x3) and what is done to a convolution's result on the way out.

An output tile of 4x4 pixels comes from an input tile of 6x6 (Lavin & Gray 2016, arXiv:1509.09308). Its 36 transformed
numbers lie in 36 planes `[tile, channel]`, `PLANE` numbers apart, so that 36 matrix products do the rest.

Distances between planes and between the pixels of a tile are constants: with variable ones the compiler could not
know that they do not overlap, and would not use vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ...operators.compiled import compiled

Float32 = NDArray[np.float32]

# Numbers between one plane and the next, a little off a multiple of 4096 bytes: planes that far apart would compete
# for the same lines of the first cache.
PLANE = 76 * 1024 + 48
# Channels that are transformed at a time, so that a tile stays in the first cache.
LANES = 128
# The fewest channels that the compiler's vector loops take.
WIDTH = 32

# Unsigned, because a signed index might be negative and count from the end, and the compiler would have to look.
Index = np.uint64
P = tuple(Index(k * PLANE) for k in range(36))
Q = tuple(Index(k * LANES) for k in range(36))

Six = tuple[float, float, float, float, float, float]
Four = tuple[float, float, float, float]


@compiled()
def before(a: float, b: float, c: float, d: float, e: float, f: float) -> Six:
    """B' of the paper's section 4.3, for six numbers in a row."""
    four, five, two = np.float32(4.0), np.float32(5.0), np.float32(2.0)
    even, odd = e - four * c, d - four * b
    near, far = e - c, two * (d - b)
    return four * a - five * c + e, even + odd, even - odd, near + far, near - far, four * b - five * d + f


@compiled()
def after(a: float, b: float, c: float, d: float, e: float, f: float) -> Four:
    """A' of the same section."""
    four, eight, two = np.float32(4.0), np.float32(8.0), np.float32(2.0)
    s, t, u, v = b + c, b - c, d + e, d - e
    return a + s + u, t + two * v, s + four * u, t + eight * v + f


@compiled(error_model="numpy")
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) within 2e-7, of nothing that vector instructions lack (exponential after Cephes, expf)."""
    y = -x
    y = y if y > np.float32(-87.0) else np.float32(-87.0)
    y = y if y < np.float32(87.0) else np.float32(87.0)
    # Adding before the cut makes rounding to the nearest of it.
    whole = np.int32(y * np.float32(1.44269504) + np.float32(256.5))
    r = y - np.float32(whole - np.int32(256)) * np.float32(0.693147181)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    power = np.int32((whole - np.int32(129)) << np.int32(23)).view(np.float32)
    result: float = np.float32(1.0) / (np.float32(1.0) + p * power)
    return result


@compiled()
def column_before(p: Float32, k: int, j: int) -> Six:
    """B' of column `j` of the 6x6 pixels of `p`, channel `k`."""
    return before(
        p[k + Q[j]], p[k + Q[6 + j]], p[k + Q[12 + j]], p[k + Q[18 + j]], p[k + Q[24 + j]], p[k + Q[30 + j]]
    )


@compiled()
def put(planes: Float32, o: int, six: Six) -> None:
    """Six numbers into planes that follow each other."""
    planes[o], planes[o + P[1]], planes[o + P[2]], planes[o + P[3]], planes[o + P[4]], planes[o + P[5]] = six


@compiled()
def tile_before(p: Float32, width: int, planes: Float32, at: int) -> None:
    """B' of both directions, from the 6x6 pixels of `p` into the planes."""
    for k in range(width):
        o = at + k
        a0, b0, c0, d0, e0, f0 = column_before(p, k, 0)
        a1, b1, c1, d1, e1, f1 = column_before(p, k, 1)
        a2, b2, c2, d2, e2, f2 = column_before(p, k, 2)
        a3, b3, c3, d3, e3, f3 = column_before(p, k, 3)
        a4, b4, c4, d4, e4, f4 = column_before(p, k, 4)
        a5, b5, c5, d5, e5, f5 = column_before(p, k, 5)
        put(planes, o, before(a0, a1, a2, a3, a4, a5))
        put(planes, o + P[6], before(b0, b1, b2, b3, b4, b5))
        put(planes, o + P[12], before(c0, c1, c2, c3, c4, c5))
        put(planes, o + P[18], before(d0, d1, d2, d3, d4, d5))
        put(planes, o + P[24], before(e0, e1, e2, e3, e4, e5))
        put(planes, o + P[30], before(f0, f1, f2, f3, f4, f5))


@compiled()
def spread_range(x: Float32, down: int, across: int, first: int, begin: int, end: int, planes: Float32) -> None:
    """Tiles `first + begin` to `first + end` of `x`, transformed, into places `begin` to `end` of the planes."""
    _, rows, columns, channels = x.shape
    blocks = (channels + LANES - 1) // LANES
    flat = x.reshape(-1)
    p = np.empty(36 * LANES, np.float32)
    for k in range(begin, end):
        tile = first + k
        image = tile // (down * across)
        top = 4 * (tile // across % down) - 1
        left = 4 * (tile % across) - 1
        for block in range(blocks):
            c0 = block * channels // blocks
            width = (block + 1) * channels // blocks - c0
            size = min(WIDTH, width)
            for i in range(6):
                for j in range(6):
                    row, column = top + i, left + j
                    to = (6 * i + j) * LANES
                    if 0 <= row < rows and 0 <= column < columns:
                        pixel = ((image * rows + row) * columns + column) * channels + c0
                        for piece in range(0, width, WIDTH):
                            # Pieces that overlap rather than a last one that is too short for vector instructions.
                            c = min(piece, width - size)
                            t, o = Index(to + c), Index(pixel + c)
                            for n in range(Index(size)):
                                p[t + n] = flat[o + n]
                    else:
                        t = Index(to)
                        for n in range(Index(width)):
                            p[t + n] = 0.0
            tile_before(p, Index(width), planes, Index(k * channels + c0))


@compiled(parallel=True)
def spread(x: Float32, down: int, across: int, first: int, count: int, planes: Float32, shares: int) -> None:
    """Tiles `first` to `first + count` of `x` `[image, row, column, channel]`, transformed, into the planes.

    There are `down` x `across` tiles in an image; what a tile sees outside of it is zero. `shares`: pieces of work.
    """
    for share in prange(shares):
        spread_range(x, down, across, first, share * count // shares, (share + 1) * count // shares, planes)


@compiled()
def columns_after(products: Float32, at: int, plane: int, width: int, r: Float32) -> None:
    """A' of the six columns of a tile, from planes that are `plane` numbers apart to the 4x6 numbers of `r`."""
    six = Index(6) * plane
    for j in range(6):
        a = at + Index(j) * plane
        b = a + six
        c = b + six
        d = c + six
        e = d + six
        f = e + six
        to = Index(j * LANES)
        for k in range(width):
            o = to + k
            r[o], r[o + Q[6]], r[o + Q[12]], r[o + Q[18]] = after(
                products[a + k], products[b + k], products[c + k], products[d + k], products[e + k], products[f + k]
            )


@compiled()
def rows_after(r: Float32, width: int, q: Float32) -> None:
    """A' of the four rows of `r`, to the 4x4 pixels of `q`."""
    for i in range(4):
        at, to = Index(6 * i * LANES), Index(4 * i * LANES)
        for k in range(width):
            m, o = at + k, to + k
            q[o], q[o + Q[1]], q[o + Q[2]], q[o + Q[3]] = after(
                r[m], r[m + Q[1]], r[m + Q[2]], r[m + Q[3]], r[m + Q[4]], r[m + Q[5]]
            )


@compiled(error_model="numpy")
def collect_range(
    products: Float32,
    plane: int,
    down: int,
    across: int,
    first: int,
    begin: int,
    end: int,
    scale: Float32,
    shift: Float32,
    added: Float32,
    activate: bool,
    add: bool,
    out: Float32,
) -> None:
    """The same as `collect`, from places `begin` to `end` of each plane."""
    _, rows, columns, channels = out.shape
    blocks = (channels + LANES - 1) // LANES
    r, q = np.empty(24 * LANES, np.float32), np.empty(16 * LANES, np.float32)
    result, other = out.reshape(-1), added.reshape(-1)
    factor, offset = scale.reshape(-1), shift.reshape(-1)
    for k in range(begin, end):
        tile = first + k
        image = tile // (down * across)
        top = 4 * (tile // across % down)
        left = 4 * (tile % across)
        for block in range(blocks):
            c0 = block * channels // blocks
            width = (block + 1) * channels // blocks - c0
            columns_after(products, Index(k * channels + c0), Index(plane), Index(width), r)
            rows_after(r, Index(width), q)
            for i in range(min(4, rows - top)):
                for j in range(min(4, columns - left)):
                    pixel = ((image * rows + top + i) * columns + left + j) * channels + c0
                    # Pieces that overlap rather than a last one that is too short for vector instructions.
                    size = min(WIDTH, width)
                    for piece in range(0, width, WIDTH):
                        c = min(piece, width - size)
                        t, f, o = Index((4 * i + j) * LANES + c), Index(image * channels + c0 + c), Index(pixel + c)
                        if activate:
                            for n in range(Index(size)):
                                value = factor[f + n] * q[t + n] + offset[f + n]
                                result[o + n] = value * sigmoid(value)
                        elif add:
                            for n in range(Index(size)):
                                result[o + n] = other[o + n] + (factor[f + n] * q[t + n] + offset[f + n])
                        else:
                            for n in range(Index(size)):
                                result[o + n] = factor[f + n] * q[t + n] + offset[f + n]


@compiled(parallel=True)
def collect(
    products: Float32,
    plane: int,
    down: int,
    across: int,
    first: int,
    count: int,
    scale: Float32,
    shift: Float32,
    added: Float32,
    activate: bool,
    add: bool,
    out: Float32,
    shares: int,
) -> None:
    """The way back: 4x4 pixels of every tile into `out` `[image, row, column, channel]`.

    The planes of `products` are `plane` numbers apart. A pixel becomes scale * value + shift, with `scale` and `shift`
    `[image, channel]`; then `activate` applies silu, or `add` adds `added`, of the shape of `out`.
    """
    for share in prange(shares):
        begin, end = share * count // shares, (share + 1) * count // shares
        collect_range(products, plane, down, across, first, begin, end, scale, shift, added, activate, add, out)
