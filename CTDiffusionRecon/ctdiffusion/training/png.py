"""Pictures of what a network does, as PNG files, without any package for images."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.atomic import write_bytes

TILE = 256
_GAP = 4


def montage(rows: Sequence[Sequence[NDArray[np.floating]]]) -> NDArray[np.uint8]:
    """Images in rows, 0 to 1 as black to white, their centres cut to `TILE` pixels; a row may be shorter."""
    width = max(len(row) for row in rows)
    picture = np.full((len(rows) * (TILE + _GAP) - _GAP, width * (TILE + _GAP) - _GAP), 255, np.uint8)
    for i, row in enumerate(rows):
        for k, image in enumerate(row):
            tile = _tile(np.asarray(image, np.float32))
            y, x = i * (TILE + _GAP), k * (TILE + _GAP)
            picture[y : y + TILE, x : x + TILE] = tile
    return picture


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a grey picture `[row, column]` (PNG specification, ISO/IEC 15948).

    Raises:
        OSError: it cannot be written.
    """
    height, width = picture.shape
    lines = np.pad(picture, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 6)) + _chunk(b"IEND", b"")
    write_bytes(path, b"\x89PNG\r\n\x1a\n" + body)


def _tile(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    top, left = (max(0, (side - TILE) // 2) for side in image.shape)
    cut = image[top : top + TILE, left : left + TILE]
    below, right = TILE - cut.shape[0], TILE - cut.shape[1]
    around = ((below // 2, below - below // 2), (right // 2, right - right // 2))
    grey: NDArray[np.uint8] = np.rint(255.0 * np.pad(np.nan_to_num(cut), around).clip(0.0, 1.0)).astype(np.uint8)
    return grey


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
