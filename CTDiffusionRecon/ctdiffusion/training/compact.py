"""Slices coded without loss: each pixel predicted from its neighbours, the differences packed by LZMA.

Decoding needs Python and numpy alone, so that a cache of a third of the size can travel to a bare GPU machine.
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

# Differences have no repetitions, only a distribution: no literal context and no position bits.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]
_LARGEST = 32767


def encode(levels: NDArray[np.integer]) -> list[bytes]:
    """One string of bytes for each slice of `levels` `[slice, row, column]`, whole numbers from 0 to 32767.

    The prediction is the median edge detector of LOCO-I (Weinberger, Seroussi & Sapiro 2000, doi:10.1109/83.855427).

    Raises:
        ValueError: a number outside of that range.
    """
    values = np.asarray(levels).astype(np.int32)
    if values.size and (values.min() < 0 or values.max() > _LARGEST):
        raise ValueError(f"levels: must be 0 to {_LARGEST}, got {values.min()} to {values.max()}")
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_packed, values))


def decode(parts: Sequence[bytes], rows: int, columns: int) -> NDArray[np.int32]:
    """The slices `[slice, row, column]` that `encode` was given.

    Raises:
        ValueError: bytes that are damaged or of slices of another size.
    """
    with ThreadPoolExecutor() as pool:
        folded = np.stack(list(pool.map(lambda part: _unpacked(part, rows, columns), parts)))
    differences = np.where(folded % 2 == 1, -(folded + 1) // 2, folded // 2)
    return _summed(differences)


def _packed(image: NDArray[np.int32]) -> bytes:
    padded = np.pad(image, ((1, 0), (1, 0)))
    difference = image - _prediction(padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1])
    folded = np.where(difference < 0, -2 * difference - 1, 2 * difference).astype("<u4")
    # Low bytes, then high ones, which are nearly all 0.
    planes = np.stack([folded & 255, (folded >> 8) & 255]).astype(np.uint8)
    return lzma.compress(planes.tobytes(), format=lzma.FORMAT_RAW, filters=_FILTERS)


def _unpacked(part: bytes, rows: int, columns: int) -> NDArray[np.int32]:
    try:
        content = lzma.decompress(part, format=lzma.FORMAT_RAW, filters=_FILTERS)
    except lzma.LZMAError as error:
        raise ValueError(f"a coded slice is damaged: {error}") from None
    if len(content) != 2 * rows * columns:
        raise ValueError(f"a coded slice holds {len(content)} bytes, not {2 * rows * columns}")
    low, high = np.frombuffer(content, np.uint8).reshape(2, rows, columns).astype(np.int32)
    result: NDArray[np.int32] = low + 256 * high
    return result


def _prediction(left: NDArray[np.int32], above: NDArray[np.int32], corner: NDArray[np.int32]) -> NDArray[np.int32]:
    """The median of left, above and left + above - corner."""
    low, high = np.minimum(left, above), np.maximum(left, above)
    median: NDArray[np.int32] = np.clip(left + above - corner, low, high)
    return median


def _summed(differences: NDArray[np.int32]) -> NDArray[np.int32]:
    """Undo the prediction in every slice at once, one diagonal after the other.

    Pixels of one diagonal depend on earlier ones only. Row r is shifted by r columns, so that a diagonal becomes one
    contiguous slab and its neighbours the slabs before.
    """
    slices, rows, columns = differences.shape
    diagonals = rows + columns - 1
    skewed = np.zeros((diagonals, slices, rows), np.int32)
    for row in range(rows):
        skewed[row : row + columns, :, row] = differences[:, row].T
    # One row above and two diagonals before, which are 0 as the padding is.
    values = np.zeros((diagonals + 2, slices, rows + 1), np.int32)
    for t in range(diagonals):
        left, above, corner = values[t + 1, :, 1:], values[t + 1, :, :-1], values[t, :, :-1]
        first, last = max(0, t - columns + 1), min(rows, t + 1)
        inside = slice(first, last)
        values[t + 2, :, 1 + first : 1 + last] = skewed[t, :, inside] + _prediction(
            left[:, inside], above[:, inside], corner[:, inside]
        )
    result = np.empty((slices, rows, columns), np.int32)
    for row in range(rows):
        result[:, row] = values[2 + row : 2 + row + columns, :, 1 + row].T
    return result
