"""DICOM files that hold a scanner's projections (DICOM-CT-PD), recognised by their private groups.

Their storage class does not tell: archives list them as CT Image Storage, and a projection looks like a slice then.
Chen et al. 2015, doi:10.1118/1.4935406; tags: Moen et al. 2021, doi:10.1002/mp.14594, table IV.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.regularfile import open_regular

# Detector, source and scan of a projection; private groups that images do not have.
PRIVATE_GROUPS = (0x7029, 0x7031, 0x7033)
# What a geometry needs of a file.
NEEDED = {
    (0x7031, 0x1003): "(7031,1003) source to isocentre",
    (0x7031, 0x1031): "(7031,1031) source to detector",
    (0x7031, 0x1001): "(7031,1001) view angle",
    (0x7031, 0x1033): "(7031,1033) central detector element",
    (0x7029, 0x1002): "(7029,1002) column spacing",
    (0x7029, 0x1006): "(7029,1006) row spacing",
    (0x7029, 0x100B): "(7029,100B) detector shape",
    (0x7033, 0x100E): "(7033,100E) flying focal spot mode",
}
# Raw Data Storage, the class that some writers give these files.
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
# As much of a file as is looked at: their header takes a few kilobytes, pixels follow it.
HEADER_BYTES = 1 << 20
_PREAMBLE, _LONG = 132, (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_IMPLICIT, _STORAGE_CLASS, _SYNTAX = "1.2.840.10008.1.2", (2, 2), (2, 0x10)
_PIXELS, _SEQUENCE_END = (0x7FE0, 0x0010), (0xFFFE, 0xE0DD)
_ITEM, _ITEM_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D)
_UNDEFINED = 0xFFFFFFFF
Tag = tuple[int, int]


def is_projection(path: Path) -> bool:
    """True for a DICOM file that holds a projection.

    Raises:
        ValueError, OSError: it is no regular file, or cannot be opened.
    """
    tags, storage = _read(path)
    return storage == RAW_DATA or any(group in PRIVATE_GROUPS for group, _ in tags)


def projections_refusal(path: Path) -> str:
    """Why a DICOM file cannot be read as projections, with the tags that a geometry file has to be filled from.

    Raises:
        ValueError, OSError: as `is_projection`.
    """
    tags, storage = _read(path)
    groups = sorted({group for group, _ in tags if group in PRIVATE_GROUPS})
    if not groups and storage != RAW_DATA:
        return f"{path.name}: a DICOM image, not projections; without --measured it is read as a volume"
    seen = f" by its private groups {', '.join(f'{g:04X}' for g in groups)}" if groups else ""
    lacking = [name for tag, name in NEEDED.items() if tag not in tags]
    missing = f"; missing here: {', '.join(lacking)}" if lacking else ""
    return (
        f"{path.name}: raw projection data (DICOM-CT-PD{seen}) are not read; convert them to NPZ or HDF5 with a "
        f"geometry file made from {', '.join(NEEDED.values())}{missing}"
    )


def _read(path: Path) -> tuple[set[Tag], str]:
    """The tags of the outermost data set up to the pixels, and the storage class."""
    with open_regular(path) as file:
        head = file.read(HEADER_BYTES)
    values = dict(_elements(head))
    return set(values), values.get(_STORAGE_CLASS, b"").decode("latin-1").strip(" \0")


def _elements(head: bytes) -> Iterator[tuple[Tag, bytes]]:
    """Tags and values of the outermost data set in little endian; ends quietly where the bytes make no sense."""
    place, depth, implicit = _PREAMBLE, 0, False
    syntax = ""
    while place + 8 <= len(head):
        tag = int.from_bytes(head[place : place + 2], "little"), int.from_bytes(head[place + 2 : place + 4], "little")
        implicit = tag[0] != 2 and syntax == _IMPLICIT
        length, place = _length(head, place + 4, implicit or tag[0] == 0xFFFE)
        if tag in (_ITEM_END, _SEQUENCE_END):
            depth -= tag == _SEQUENCE_END
            continue
        if tag == _PIXELS and depth <= 0:
            return
        if tag == _ITEM and depth > 0:
            # What is inside a sequence of undefined length is walked, and not handed out.
            place += 0 if length == _UNDEFINED else length
            continue
        if length == _UNDEFINED:
            depth += 1
            continue
        if depth <= 0:
            value = head[place : place + length]
            if tag == _SYNTAX:
                syntax = value.decode("latin-1").strip(" \0")
            yield tag, value
        place += length


def _length(head: bytes, place: int, implicit: bool) -> tuple[int, int]:
    """Length of a value, and where it begins."""
    if implicit:
        return int.from_bytes(head[place : place + 4], "little"), place + 4
    if head[place : place + 2] in _LONG:
        return int.from_bytes(head[place + 4 : place + 8], "little"), place + 8
    return int.from_bytes(head[place + 2 : place + 4], "little"), place + 4
