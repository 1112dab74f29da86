"""The tags of one DICOM file: a parser that trusts no length, goes round instead of deeper, and stops at the pixels.

DICOM PS3.5, 7.1 (data elements), 7.5 (sequences) and A (transfer syntaxes). A file is judged here before any library
sees it: libraries recurse into nested sequences, and fill pixels that are missing with whatever memory holds.
"""

from __future__ import annotations

import mmap
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from ..core.regularfile import open_regular

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
PLAIN = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
PIXEL_DATA = 0x7FE00010
# Integer pixels, and the two kinds of floating-point ones.
_PIXELS = (PIXEL_DATA, 0x7FE00008, 0x7FE00009)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
# Real files nest five or ten deep; libraries that recurse die at some thousands.
DEEPEST = 64
_MOST_ELEMENTS = 500_000
_LONGEST_VALUE = 1024
_MOST_INFLATED = 1 << 30
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass
class DataSet:
    """What stands at the top of a DICOM file's data set.

    Attributes:
        path: the file.
        syntax: transfer syntax.
        values: short values by tag (group * 65536 + element), as bytes; the first where one stands twice.
        places: where those values begin.
        pixels: (start, length) of the pixel data; the length is -1 where they are encapsulated (compressed).
        pixel_tag: the tag under which they stand.
        body: where the data set begins, after the group of the file itself.
        problem: what is wrong with the file, or empty; the tags before that place are there.
    """

    path: Path
    syntax: str = IMPLICIT_LITTLE
    values: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    pixels: tuple[int, int] | None = None
    pixel_tag: int = 0
    body: int = 0
    problem: str = ""

    def text(self, tag: int) -> str:
        """A value as printable text without the padding of its writer; empty where it is absent."""
        raw = self.values.get(tag, b"")
        try:
            decoded = raw.decode("utf-8")
        except UnicodeDecodeError:
            decoded = raw.decode("latin-1")
        return "".join(c if c.isprintable() else " " for c in decoded.strip(" \0")).strip()

    def numbers(self, tag: int) -> tuple[float, ...]:
        """Decimal strings as numbers; empty where the tag is absent or empty.

        Raises:
            ValueError: something else than finite decimal numbers stands there; names file and tag.
        """
        text = self.text(tag)
        if not text:
            return ()
        parts = [part.strip() for part in text.split("\\")]
        values = tuple(float(part) if _NUMBER.fullmatch(part) else float("nan") for part in parts)
        if not all(abs(value) < float("inf") for value in values):
            raise ValueError(f"{self.path.name}: {text[:40]!r} is no number ({tag_name(tag)})")
        return values

    def whole(self, tag: int) -> int | None:
        """An unsigned short, or None where it is absent or of another length."""
        raw = self.values.get(tag, b"")
        return int.from_bytes(raw, "big" if self.syntax == EXPLICIT_BIG else "little") if len(raw) == 2 else None

    @property
    def storage_class(self) -> str:
        """What kind of object it is, as a UID; from the group of the file itself where the data set is silent."""
        return self.text(0x00080016) or self.text(0x00020002)

    def payload(self) -> bytes:
        """The bytes of plain pixel data, as many as there are."""
        assert self.pixels is not None
        start, length = self.pixels
        if self.syntax == DEFLATED:
            with open_regular(self.path) as stream:
                return _inflated(stream.read(), self.body)[start : start + length]
        with open_regular(self.path) as stream:
            stream.seek(start)
            return stream.read(length)


def tag_name(tag: int) -> str:
    """A tag as users search for it."""
    return f"tag {tag >> 16:04x},{tag & 0xFFFF:04x}"


def begins_like_dicom(head: bytes) -> bool:
    """True for the first bytes of a DICOM file: the preamble, or without it a first element of group 2 or 8."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 132 or head[:2] not in (b"\x02\0", b"\x08\0") or head[2] > 0x18 or head[3]:
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    # Implicit: a length that a first element may have.
    return int.from_bytes(head[4:8], "little") in range(2, 65)


def read_tags(path: Path, deep: bool = False) -> DataSet:
    """Read the tags of a file up to its pixels; what is wrong with them is told in `problem`.

    Args:
        path: a regular file.
        deep: also walk through sequences of known length, for a library that will.

    Raises:
        OSError: the file cannot be read.
    """
    found = DataSet(path)
    with open_regular(path) as stream:
        if not stream.read(1):
            found.problem = "the file is empty"
            return found
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = 132 if data[128:132] == b"DICM" else 0
            try:
                found.body = _meta(data, start, found)
                if found.syntax == DEFLATED:
                    _walk(_inflated(data[:], found.body), 0, found, deep)
                else:
                    _walk(data, found.body, found, deep)
            except ValueError as error:
                found.problem = str(error)
    return found


def _inflated(data: bytes, start: int) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(data[start:], _MOST_INFLATED)
    except zlib.error:
        raise ValueError("its deflated data set is corrupt") from None


def _meta(data: mmap.mmap, start: int, found: DataSet) -> int:
    """Read group 2, which is always explicit and little-endian; returns where the data set begins."""
    at = start
    while data[at : at + 2] == b"\x02\0":
        tag, _, length, value = _element(data, at, True, "little")
        if length > len(data) - value:
            raise ValueError(f"it ends within {tag_name(tag)}")
        if length <= _LONGEST_VALUE:
            found.values.setdefault(tag, data[value : value + length])
        at = value + length
    named = found.text(0x00020010)
    if named:
        found.syntax = named
    elif data[at + 4 : at + 6].isalpha() and data[at + 4 : at + 6].isupper():
        found.syntax = EXPLICIT_LITTLE
    return at


def _element(data: bytes | mmap.mmap, at: int, explicit: bool, order: str) -> tuple[int, bytes, int, int]:
    """Tag, value representation (empty if implicit), length, and place of the value."""
    head = data[at : at + 12]
    if len(head) < 8:
        raise ValueError("it ends within a tag")
    little = order == "little"
    if little:
        tag = head[1] << 24 | head[0] << 16 | head[3] << 8 | head[2]
    else:
        tag = head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3]
    kind = head[4:6]
    # Some writers put implicit elements among explicit ones.
    if not explicit or tag >> 16 == 0xFFFE or not (kind.isalpha() and kind.isupper()):
        return tag, b"", int.from_bytes(head[4:8], "little" if little else "big"), at + 8
    if kind in _LONG:
        return tag, kind, int.from_bytes(head[8:12], "little" if little else "big"), at + 12
    return tag, kind, int.from_bytes(head[6:8], "little" if little else "big"), at + 8


def _walk(data: bytes | mmap.mmap, start: int, found: DataSet, deep: bool) -> None:
    """Collect the top elements, round the nested ones by a list of the places where each level ends."""
    order = "big" if found.syntax == EXPLICIT_BIG else "little"
    size, at = len(data), start
    # Where each open sequence or item ends (None: at its mark), and whether its elements are explicit.
    levels: list[tuple[int | None, bool]] = []
    explicit = found.syntax != IMPLICIT_LITTLE
    for _ in range(_MOST_ELEMENTS):
        while levels and levels[-1][0] is not None and at >= levels[-1][0]:
            levels.pop()
        if at >= size:
            if levels:
                raise ValueError("it ends within a sequence")
            return
        tag, kind, length, value = _element(data, at, levels[-1][1] if levels else explicit, order)
        if tag in (_ITEM_END, _SEQUENCE_END):
            if not levels:
                raise ValueError("a sequence ends that never began")
            levels.pop()
            at = value
            continue
        if not levels and tag in _PIXELS:
            found.pixel_tag = tag
            found.pixels = _pixel_place(data, tag, length, value)
            return
        if length == _UNDEFINED:
            inner = (levels[-1][1] if levels else explicit) and kind != b"UN"
            _deeper(levels, None, inner)
            at = value
            continue
        if length > size - value:
            raise ValueError(f"it ends within {tag_name(tag)}")
        if tag == _ITEM or (deep and (kind == b"SQ" or (not kind and data[value : value + 4] == b"\xfe\xff\0\xe0"))):
            _deeper(levels, value + length, levels[-1][1] if levels else explicit)
            at = value
            continue
        if not levels and length <= _LONGEST_VALUE and tag not in found.values:
            found.values[tag], found.places[tag] = data[value : value + length], value
        at = value + length
    raise ValueError(f"more than {_MOST_ELEMENTS} elements")


def _deeper(levels: list[tuple[int | None, bool]], end: int | None, explicit: bool) -> None:
    if len(levels) >= 2 * DEEPEST:
        raise ValueError(f"its sequences are nested more than {DEEPEST} deep")
    levels.append((end, explicit))


def _pixel_place(data: bytes | mmap.mmap, tag: int, length: int, value: int) -> tuple[int, int]:
    if length != _UNDEFINED:
        if length > len(data) - value:
            there = len(data) - value
            raise ValueError(f"its pixel data end early: {there:,} of {length:,} bytes are there ({tag_name(tag)})")
        return value, length
    at = value
    while at < len(data):
        part, _, size, at = _element(data, at, False, "little")
        if part == _SEQUENCE_END:
            break
        if part != _ITEM or size > len(data) - at:
            raise ValueError(f"its compressed pixel data end early ({tag_name(tag)})")
        at += size
    return value, -1
