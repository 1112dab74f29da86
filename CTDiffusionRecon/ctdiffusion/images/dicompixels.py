"""The pixels of one DICOM image: stored values, padding found, modality rescale applied.

DICOM PS3.3, C.7.6.3 (image pixel), C.7.5.1.1.2 (padding) and C.11.1 (modality rescale). `MONOCHROME1` concerns the
display alone, so it changes nothing here, whereas libraries that prepare a picture invert it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.regularfile import open_regular
from .dicomfile import EXPLICIT_BIG, PIXEL_DATA, PLAIN, DataSet, tag_name
from .itk import one_line, open_header, silenced, toolkit

# What a decoder must not apply: (tag, text that means nothing to be done).
_NEUTRAL = {0x00280004: b"MONOCHROME2", 0x00281052: b"0", 0x00281053: b"1"}


@dataclass(frozen=True)
class Layout:
    """How a frame stores its pixels. `padding` is the first and last stored value that means "nothing here"."""

    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool
    padding: tuple[int, int] | None

    @property
    def bytes(self) -> int:
        return self.rows * self.columns * self.allocated // 8


def layout(found: DataSet) -> Layout:
    """Read how a frame stores its pixels.

    Raises:
        ValueError: no pixels, colour, or bits that make no integers; names the file and the tag.
    """
    name = found.path.name
    if found.pixels is None:
        raise ValueError(f"{name}: its pixel data are missing ({tag_name(PIXEL_DATA)})")
    if found.pixel_tag != PIXEL_DATA:
        raise ValueError(f"{name}: floating-point pixels ({tag_name(found.pixel_tag)}); convert it to NRRD")
    samples = found.whole(0x00280002)
    photometric = found.text(0x00280004)
    if samples not in (None, 1):
        raise ValueError(f"{name}: a colour image with {samples} components a voxel, not CT")
    if photometric not in ("", "MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"{name}: a colour image ({photometric[:40]}, {tag_name(0x00280004)}), not CT")
    values = {tag: found.whole(tag) for tag in (0x00280010, 0x00280011, 0x00280100)}
    for tag, value in values.items():
        if not value:
            raise ValueError(f"{name}: no usable value in {tag_name(tag)} (size and bits of the pixels)")
    allocated = values[0x00280100] or 0
    stored = found.whole(0x00280101) or allocated
    high = found.whole(0x00280102)
    if allocated not in (8, 16, 32) or stored > allocated:
        raise ValueError(f"{name}: {stored} of {allocated} bits a pixel are not read (tags 0028,0100 and 0028,0101)")
    if high is not None and high != stored - 1:
        raise ValueError(f"{name}: {stored} bits from bit {high} down are not read (tag 0028,0102)")
    signed = found.whole(0x00280103) == 1
    rows, columns = values[0x00280010] or 0, values[0x00280011] or 0
    return Layout(rows, columns, allocated, stored, signed, _padding(found, allocated, signed))


def _padding(found: DataSet, allocated: int, signed: bool) -> tuple[int, int] | None:
    ends = []
    for tag in (0x00280120, 0x00280121):
        raw = found.values.get(tag, b"")
        if len(raw) == 2:
            order = "big" if found.syntax == EXPLICIT_BIG else "little"
            # Which of US and SS the writer chose is often wrong; the pixels themselves tell.
            value = int.from_bytes(raw, order, signed=signed)  # type: ignore[arg-type]
            ends.append(value if signed or allocated >= 16 else value & 0xFF)
    return (min(ends), max(ends)) if len(ends) and 0x00280120 in found.values else None


def stored_values(found: DataSet, how: Layout, codec: str) -> NDArray[Any]:
    """Stored values `[row, column]` with all their allocated bits, as integers of the pixels' sign.

    Args:
        found: the file.
        how: how it stores its pixels.
        codec: what to add where its compression cannot be read.

    Raises:
        ValueError: fewer pixels than the header says, or a compression that cannot be read; names the file.
    """
    kind = np.dtype(f"{'i' if how.signed else 'u'}{how.allocated // 8}")
    if found.syntax not in PLAIN:
        return _decoded(found, how, codec).astype(kind, copy=False)
    raw = found.payload()
    if len(raw) < how.bytes:
        raise ValueError(
            f"{found.path.name}: its pixel data hold {len(raw):,} bytes, {how.columns} x {how.rows} pixels "
            f"of {how.allocated} bits need {how.bytes:,} ({tag_name(PIXEL_DATA)})"
        )
    stored = kind.newbyteorder(">" if found.syntax == EXPLICIT_BIG else "<")
    values = np.frombuffer(raw, stored, how.rows * how.columns)
    return values.reshape(how.rows, how.columns).astype(kind, copy=False)


def _decoded(found: DataSet, how: Layout, codec: str) -> NDArray[Any]:
    """Compressed pixels through the library, from a copy whose tags give it nothing to rescale or to invert."""
    name = found.path.name
    with open_regular(found.path) as stream:
        data = bytearray(stream.read())
    for tag, text in _NEUTRAL.items():
        if tag in found.places and len(found.values[tag]) >= len(text):
            at, length = found.places[tag], len(found.values[tag])
            data[at : at + length] = text.ljust(length)
    with tempfile.TemporaryDirectory(prefix="ctdiffusion-") as folder:
        copy = Path(folder) / "frame.dcm"
        copy.write_bytes(data)
        try:
            with silenced():
                image = open_header(copy, "GDCMImageIO").Execute()
        except (ValueError, RuntimeError) as error:
            why = one_line(error).replace(str(copy), name).replace(copy.name, name)
            raise ValueError(f"{name}: its pixels cannot be decoded: {why}{codec}") from None
    array = np.asarray(toolkit().GetArrayFromImage(image))
    if array.size != how.rows * how.columns:
        raise ValueError(f"{name}: its pixels decode to {array.size} values, its header says {how.rows * how.columns}")
    return array.reshape(how.rows, how.columns)


def rescaled(
    stored: NDArray[Any], how: Layout, slope: float, intercept: float, fill: float | None
) -> tuple[NDArray[Any], int]:
    """Values after the modality rescale and how many of them are padding.

    Args:
        stored: see `stored_values`.
        how: how they are stored.
        slope: of the rescale.
        intercept: of the rescale.
        fill: what padding becomes; None: the lowest of the other values.
    """
    values = significant(stored, how)
    padded = None
    if how.padding is not None:
        low, high = how.padding
        # Padding may lie outside of the bits that image values use.
        padded = (values >= low) & (values <= high)
        if how.stored < how.allocated:
            padded |= (stored >= low) & (stored <= high)
    if slope == int(slope) and intercept == int(intercept) and max(abs(slope), abs(intercept)) < 1 << 14:
        array: NDArray[Any] = values.astype(np.int64 if how.allocated == 32 else np.int32)
        if slope != 1.0:
            array *= int(slope)
        array += int(intercept)
    else:
        array = (values * np.float64(slope) + intercept).astype(np.float32)
    count = 0 if padded is None else int(padded.sum())
    if padded is not None and count:
        others = array[~padded]
        array[padded] = fill if fill is not None else (others.min() if others.size else 0)
    return array, count


def significant(stored: NDArray[Any], how: Layout) -> NDArray[Any]:
    """The stored bits alone: old writers keep overlays in the bits above."""
    spare = how.allocated - how.stored
    return stored if spare == 0 else (stored << spare) >> spare
