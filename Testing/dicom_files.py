"""Smallest DICOM files, written by hand, so that every tag can be wrong on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_LONG = {"OB", "OW", "UN"}


def element(group: int, number: int, kind: str, value: bytes) -> tuple[tuple[int, int], bytes]:
    """An element for `extra` of `write_slice`."""
    return (group, number), _element(group, number, kind, value)


def _element(group: int, element: int, kind: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if kind in ("UI", "OB") else b" "
    head = group.to_bytes(2, "little") + element.to_bytes(2, "little") + kind.encode()
    if kind in _LONG:
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value


def write_slice(path: Path, stored: NDArray[np.int16], position: tuple[float, float, float], **changes: Any) -> None:
    """Write one slice of stored values; `changes` replaces or (with None) drops what stands in `values`."""
    values: dict[str, Any] = {
        "series": "1.2.3.4", "modality": "CT", "sop_class": CT_STORAGE, "syntax": EXPLICIT_LITTLE,
        "spacing": (0.7, 0.7), "orientation": (1, 0, 0, 0, 1, 0), "intercept": -1024, "slope": 1, "tilt": 0,
        "frames": None, "description": "THORAX", "thickness": 2.5, "body_part": None, "image_type": None,
        "photometric": "MONOCHROME2", "signed": 1, "stored_bits": 16, "preamble": True, "pixels": None, "extra": (),
    } | changes  # fmt: skip

    def text(value: Any) -> bytes:
        return "\\".join(map(str, value)).encode() if isinstance(value, tuple) else str(value).encode()

    rows, columns = stored.shape[-2:]
    uid = f"{values['series']}.{abs(hash((path.name, position))) % 10**9}"
    meta = _element(2, 1, "OB", b"\0\1") + _element(2, 2, "UI", text(values["sop_class"]))
    meta += _element(2, 3, "UI", uid.encode()) + _element(2, 0x10, "UI", text(values["syntax"]))
    meta += _element(2, 0x12, "UI", b"1.2.3")
    body = [
        (8, 8, "CS", values["image_type"]), (8, 0x16, "UI", values["sop_class"]), (8, 0x18, "UI", uid),
        (8, 0x60, "CS", values["modality"]),
        (8, 0x103E, "LO", values["description"]), (0x18, 0x15, "CS", values["body_part"]),
        (0x18, 0x50, "DS", values["thickness"]),
        (0x18, 0x1120, "DS", values["tilt"]), (0x20, 0xD, "UI", "1.2.3"), (0x20, 0xE, "UI", values["series"]),
        (0x20, 0x32, "DS", position), (0x20, 0x37, "DS", values["orientation"]), (0x28, 2, "US", 1),
        (0x28, 4, "CS", values["photometric"]), (0x28, 8, "IS", values["frames"]), (0x28, 0x10, "US", rows),
        (0x28, 0x11, "US", columns), (0x28, 0x30, "DS", values["spacing"]), (0x28, 0x100, "US", 16),
        (0x28, 0x101, "US", values["stored_bits"]), (0x28, 0x102, "US", values["stored_bits"] - 1),
        (0x28, 0x103, "US", values["signed"]),
        (0x28, 0x1052, "DS", values["intercept"]), (0x28, 0x1053, "DS", values["slope"]),
    ]  # fmt: skip
    parts = {
        (g, e): _element(g, e, kind, value.to_bytes(2, "little") if kind == "US" else text(value))
        for g, e, kind, value in body
        if value is not None
    }
    # Elements as bytes, whole, by their tag.
    parts |= dict(values["extra"])
    data = b"".join(part for _, part in sorted(parts.items()))
    pixels = np.ascontiguousarray(stored, stored.dtype.newbyteorder("<")).tobytes()
    if values["pixels"] is not None:
        pixels = pixels[: values["pixels"]]
    if values["syntax"].startswith("1.2.840.10008.1.2.4"):
        # Encapsulated: an empty offset table, one fragment, the end mark. Nothing here can really compress.
        item, end = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
        data += b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + item + bytes(4)
        data += item + len(pixels).to_bytes(4, "little") + pixels + end + bytes(4)
    else:
        data += _element(0x7FE0, 0x10, "OW", pixels)
    start = b"\0" * 128 + b"DICM" if values["preamble"] else b""
    path.write_bytes(start + _element(2, 0, "UL", len(meta).to_bytes(4, "little")) + meta + data)


def write_series(folder: Path, hu: NDArray[np.int16], spacing: float = 2.5, **changes: Any) -> list[Path]:
    """Write `hu` [slice, row, column] as a series; file names run against the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k, frame in enumerate(hu):
        path = folder / f"{changes.get('series', 'image')}-{len(hu) - k:03d}.dcm"
        write_slice(path, frame + 1024, (-30.0, -40.0, 100.0 + spacing * k), **changes)
        paths.append(path)
    return paths
