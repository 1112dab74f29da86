"""Voxels as an image file stores them: held against what is there before anything is allocated, then decoded.

Read here and not by a library: the libraries for these formats fill what is missing, turn voxels that are no numbers
into 0, and some write outside of their memory when a header lies.
"""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.regularfile import open_regular
from .header import DEFLATE_LIMIT
from .memory import check_memory

_BLOCK = 1 << 20
# How far a stream is followed beyond the voxels, to its checksum: not for ever, whatever it inflates to.
_MOST_LEFT_OVER = 1 << 24
# Bzip2 shrinks 45 MB of zeros to 45 bytes or so.
_BZIP2_LIMIT = 2_000_000
# Gzip streams and zlib streams, as the window argument of zlib.
GZIP, ZLIB = 31, 15


@dataclass(frozen=True)
class Store:
    """Where and how voxels are stored.

    Attributes:
        path: the file that holds them.
        shape: sizes, fastest first.
        dtype: of a voxel, with its byte order, as numpy writes it.
        start: byte of the file where they (or what they are packed into) begin; -1: they end where the file does.
        skip: bytes to leave out after unpacking.
        encoding: raw, gzip, zlib, bzip2, ascii or hex.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    start: int = 0
    skip: int = 0
    encoding: str = "raw"


def read_voxels(store: Store, name: str) -> NDArray[Any]:
    """The voxels `[..., slice, row, column]` in the machine's byte order.

    Args:
        store: where they are.
        name: of the image's file, for messages.

    Raises:
        ValueError: more voxels than memory or the file holds, or data that cannot be unpacked.
        OSError: the file cannot be read.
    """
    kind = np.dtype(store.dtype)
    count = math.prod(store.shape)
    need = count * kind.itemsize
    what = f"an image of {' x '.join(map(str, store.shape))} voxels"
    # The stored voxels, their float32 copy and one working copy.
    check_memory(count * (kind.itemsize + 8), name, what)
    there = store.path.stat().st_size - max(store.start, 0)
    most = there * {"raw": 1, "bzip2": _BZIP2_LIMIT}.get(store.encoding, DEFLATE_LIMIT)
    # One digit and one blank are the least that a number takes as text.
    if store.encoding in ("ascii", "hex"):
        most = there * kind.itemsize
    if need + store.skip > most:
        raise ValueError(
            f"{name}: its header declares {need:,} bytes of voxels but the file holds {max(there, 0):,}: "
            "truncated, or the header is wrong"
        )
    values = _stored(store, kind, count, name)
    return values.reshape(store.shape[::-1]).astype(kind.newbyteorder("="), copy=False)


def _stored(store: Store, kind: np.dtype[Any], count: int, name: str) -> NDArray[Any]:
    need = count * kind.itemsize
    if store.encoding == "raw":
        with open_regular(store.path) as stream:
            start = store.path.stat().st_size - need if store.start < 0 else store.start + store.skip
            stream.seek(start)
            return np.fromfile(stream, kind, count)
    if store.encoding == "ascii":
        return _written(store, kind, count, name)
    if store.encoding == "hex":
        with open_regular(store.path) as stream:
            stream.seek(store.start)
            digits = b"".join(stream.read().split())
        try:
            data: bytes | NDArray[np.uint8] = bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            raise ValueError(f"{name}: its voxels are not hexadecimal digits") from None
    else:
        data = _unpacked(store, store.skip + need, name)
    if len(data) < store.skip + need:
        raise ValueError(f"{name}: its voxels end early: the file is truncated or corrupt")
    return np.frombuffer(data, kind, count, store.skip)


def _written(store: Store, kind: np.dtype[Any], count: int, name: str) -> NDArray[Any]:
    """Voxels that are written as text."""
    with open_regular(store.path) as stream:
        stream.seek(store.start)
        words = stream.read().replace(b",", b" ").split()
    if len(words) < count:
        raise ValueError(f"{name}: its voxels end early: {len(words):,} of {count:,} numbers are there")
    try:
        values = np.array(words[:count], dtype="S").astype(np.float64)
    except ValueError:
        raise ValueError(f"{name}: its voxels are not all numbers") from None
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    if not (np.isfinite(values) & (values >= limits.min) & (values <= limits.max)).all():
        raise ValueError(f"{name}: its voxels do not fit into numbers of {8 * kind.itemsize} bits")
    return values.astype(kind)


def _unpacked(store: Store, enough: int, name: str) -> NDArray[np.uint8]:
    """The first `enough` bytes of a packed file, whose stream is followed to its checksum.

    Raises:
        ValueError: it ends early or its checksum is wrong.
    """
    window = {"gzip": GZIP, "zlib": ZLIB}.get(store.encoding, 0)
    new: Callable[[], Any] = (lambda: zlib.decompressobj(wbits=window)) if window else bz2.BZ2Decompressor
    # Filled in place: growing and joining took a tenth of the time.
    data = np.empty(enough, np.uint8)
    size, stream, most = 0, new(), enough + _MOST_LEFT_OVER
    try:
        with open_regular(store.path) as file:
            file.seek(store.start)
            while size < most and (block := file.read(_BLOCK)):
                while True:
                    part = stream.decompress(block, _BLOCK)
                    if size < enough:
                        kept = part[: enough - size]
                        data[size : size + len(kept)] = np.frombuffer(kept, np.uint8)
                    size += len(part)
                    if stream.eof:
                        block = stream.unused_data
                        if size >= enough or not block:
                            break
                        stream = new()
                        continue
                    block = stream.unconsumed_tail if window else b""
                    if size >= most or not (block if window else not stream.needs_input):
                        break
                if stream.eof:
                    break
    except (zlib.error, OSError, EOFError) as error:
        raise ValueError(f"{name}: its compressed data end early or are corrupt ({error})") from None
    if not stream.eof and size < most:
        raise ValueError(f"{name}: the compressed data end early: the file is truncated or corrupt")
    return data[:size]
