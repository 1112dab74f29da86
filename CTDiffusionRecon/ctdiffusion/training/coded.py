"""The files of a compact cache: a volume in steps of some HU, its slices coded one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .compact import decode, encode
from .grain import grain

if TYPE_CHECKING:
    from .cache import CachedVolume

LOWEST = -1024
# Slices that the noise of a volume is judged by.
_SAMPLES = 9


def step_for(array: NDArray[np.int16]) -> int:
    """4, 8 or 16 HU: the largest below the noise of the slices, to which rounding then adds 4 % at most."""
    positions = np.unique(np.linspace(0, len(array) - 1, _SAMPLES).astype(int))
    noise = float(np.median([grain(torch.from_numpy(array[k].astype(np.float32))) for k in positions]))
    return max((step for step in (4, 8, 16) if step < noise), default=4)


def write_coded(path: Path, array: NDArray[np.int16], step: int) -> tuple[NDArray[np.int16], tuple[int, ...]]:
    """Write a volume `[slice, row, column]` of values from -1024; returns it as it will be read, and bytes by slice.

    Raises:
        ValueError: a step that is not positive.
    """
    if step <= 0:
        raise ValueError(f"step: must be positive, got {step}")
    levels = np.rint((array.astype(np.float32) - LOWEST) / step).astype(np.int32)
    parts = encode(levels)
    path.write_bytes(b"".join(parts))
    return _values(levels, step), tuple(map(len, parts))


def read_coded(path: Path, entry: CachedVolume) -> NDArray[np.int16]:
    """The volume that `write_coded` returned.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged, or not what its index says.
    """
    content = path.read_bytes()
    if len(content) != sum(entry.parts) or len(entry.parts) != entry.slices:
        raise ValueError(f"data: {path} is damaged: {len(content)} bytes, not {sum(entry.parts)}")
    ends = np.cumsum(entry.parts)
    try:
        parts = [content[end - size : end] for end, size in zip(ends, entry.parts, strict=True)]
        return _values(decode(parts, entry.rows, entry.columns), entry.step)
    except ValueError as error:
        raise ValueError(f"data: {path}: {error}") from None


def _values(levels: NDArray[np.int32], step: int) -> NDArray[np.int16]:
    return (levels * step + LOWEST).clip(-32768, 32767).astype(np.int16)
