"""The tensors of a safetensors file, read once into memory of our own, so that a checksum is that of what is used.

The package safetensors maps a file into memory: whoever changes the file later changes the tensors. The format is
https://github.com/huggingface/safetensors#format: eight bytes with the length of a JSON header, the header, the data.
"""

from __future__ import annotations

import json
import math
import os
from typing import IO, Any, Protocol

import torch
from torch import Tensor

from ..images.memory import check_memory

LARGEST_HEADER = 100_000_000
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}


class Digest(Protocol):
    """A hash that is being computed."""

    def update(self, data: Any, /) -> None:
        """Take in more bytes."""


def read_parts(file: IO[bytes], limit: int, digest: Digest | None = None) -> tuple[bytes, bytearray]:
    """The header and the data of an open file, for `tensors_in`.

    Args:
        file: open at its beginning.
        limit: the largest size in bytes.
        digest: takes in every byte of the file, the very ones that are returned.

    Raises:
        ValueError: too large for the limit or for memory, or not a safetensors file.
        OSError: it cannot be read.
    """
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise ValueError(f"larger than {limit} bytes")
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(size - 8, LARGEST_HEADER):
        raise ValueError("the header is cut off")
    header = file.read(length)
    check_memory(size - 8 - length, "tensors", "what the file holds")
    data = bytearray(size - 8 - length)
    whole = len(header) == length and _fill(file, memoryview(data)) and not file.read(1)
    if not whole:
        raise ValueError("the file changed while it was read")
    if digest is not None:
        for part in (start, header, data):
            digest.update(part)
    return header, data


def _fill(file: IO[bytes], view: memoryview) -> bool:
    while view:
        count = file.readinto(view[: 1 << 30])  # type: ignore[attr-defined]
        if not count:
            return False
        view = view[count:]
    return True


def tensors_in(header: bytes, data: bytearray) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of what `read_parts` has read; the tensors lie in `data`.

    Raises:
        ValueError: damaged.
    """
    try:
        entries = json.loads(header.decode("utf-8"), object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the header is damaged ({type(error).__name__})") from None
    if not isinstance(entries, dict):
        raise ValueError("the header is no JSON object")
    facts = entries.pop("__metadata__", {})
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise ValueError("the metadata are no texts")
    tensors: dict[str, Tensor] = {}
    end = 0
    places = {name: _place(name, entry) for name, entry in entries.items()}
    # In the order of the data, every byte belonging to exactly one tensor.
    for name, (dtype, shape, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
        if first != end or last > len(data):
            raise ValueError(f"{name[:80]!a}: its place overlaps another's, leaves a gap or is outside of the file")
        tensors[name] = _tensor(data, dtype, shape, first)
        end = last
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes belong to no tensor")
    return facts, tensors


def _place(name: str, entry: Any) -> tuple[torch.dtype, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name[:80]!a}: no dtype, shape and data_offsets")
    shape, place = entry["shape"], entry["data_offsets"]
    numbers = isinstance(shape, list) and isinstance(place, list) and all(map(_is_size, [*shape, *place]))
    dtype = _TYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None or not numbers or len(place) != 2 or len(shape) > 64:
        raise ValueError(f"{name[:80]!a}: a type, shape or place that is none")
    if place[1] - place[0] != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name[:80]!a}: its shape does not fit its bytes")
    return dtype, tuple(shape), place[0], place[1]


def _tensor(data: bytearray, dtype: torch.dtype, shape: tuple[int, ...], first: int) -> Tensor:
    count = math.prod(shape)
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    if first % dtype.itemsize:
        # Not every writer aligns, and kernels may want it.
        aligned = torch.frombuffer(data, dtype=torch.uint8, count=count * dtype.itemsize, offset=first).clone()
        return aligned.view(dtype).reshape(shape)
    return torch.frombuffer(data, dtype=dtype, count=count, offset=first).reshape(shape)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        raise ValueError("a name appears twice")
    return found
