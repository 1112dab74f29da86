"""NRRD files (teem.sourceforge.net/nrrd/format.html): header, place in LPS, and where the voxels are."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ..core.regularfile import open_regular
from .header import HEADER_BYTES, data_file
from .headertext import UNITS, numbers, shortened, sizes
from .pixels import IDENTITY, Direction, Pixels, as_direction
from .voxels import Store, read_voxels

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_ENCODINGS = {
    "raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2", "ascii": "ascii", "text": "ascii",
    "txt": "ascii", "hex": "hex",
}  # fmt: skip
# What turns the axes of a space into left, posterior, superior; of other spaces nothing is known.
_SPACES = {
    "right-anterior-superior": (-1.0, -1.0, 1.0), "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0), "las": (1.0, -1.0, 1.0),
    "left-posterior-superior": (1.0, 1.0, 1.0), "lps": (1.0, 1.0, 1.0),
}  # fmt: skip
_SPATIAL = ("domain", "space", "time", "???", "none")
_VECTOR = re.compile(r"\(([^()]*)\)|\bnone\b", re.IGNORECASE)
_UNIT = re.compile(r'"([^"]*)"')


def read_nrrd(path: Path) -> Pixels:
    """Read a scalar image of at most three dimensions; what its place cannot be told from is in `doubt`.

    Raises:
        ValueError: not such an image, or a header that does not fit its file; names the file and the field.
        OSError: the file cannot be read.
    """
    fields, keys, length = _header(path)
    name = path.name
    if any(key.startswith("Segment") and key.endswith("_ID") for key in keys):
        raise ValueError(f"{name}: a segmentation, not a scalar image")
    shape = sizes(fields.get("sizes", ""))
    if shape is None:
        raise ValueError(f"{name}: the image is empty or its header wrong: {_shown(fields, 'sizes')}")
    if fields.get("dimension", "").strip() != str(len(shape)):
        raise ValueError(f"{name}: {_shown(fields, 'dimension')} does not fit {len(shape)} sizes")
    axes = _domain(fields, shape, name)
    array = read_voxels(_store(path, fields, shape, length), name)
    array = array.reshape([shape[axis] for axis in reversed(axes)])
    spacing, origin, direction, doubt = _place(fields, axes, len(shape))
    if len(axes) == 2:
        note = "a 2-D image, taken as one slice of 1 mm"
        return Pixels(array[None], spacing, origin, direction, (note,), 2, doubt=doubt)
    return Pixels(array, spacing, origin, direction, doubt=doubt)


def _header(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Fields by name in lower case, names of key/value pairs, and the header's length in bytes."""
    with open_regular(path) as stream:
        head = stream.read(HEADER_BYTES)
    if not head.startswith(b"NRRD000"):
        raise ValueError(f"{path.name}: cannot be read: not an NRRD file")
    fields: dict[str, str] = {}
    keys: list[str] = []
    at = head.find(b"\n") + 1
    while 0 < at < len(head):
        end = head.find(b"\n", at)
        line = head[at : end if end >= 0 else len(head)].decode("utf-8", "replace").rstrip("\r")
        at = end + 1
        if not line:
            break
        key, found, value = line.partition(":")
        if line.startswith("#") or not found:
            continue
        if value.startswith("="):
            keys.append(key)
            continue
        key = key.strip().lower()
        key = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}.get(key, key)
        if key in fields:
            raise ValueError(f"{path.name}: its header states field {key[:30]!r} twice")
        fields[key] = value.strip()
    if at > 0 and len(head) == HEADER_BYTES and at >= len(head):
        raise ValueError(f"{path.name}: cannot be read: a header of more than {HEADER_BYTES} bytes")
    return fields, keys, at if at > 0 else len(head)


def _shown(fields: dict[str, str], field: str) -> str:
    return f"{shortened(fields.get(field, ''))} (field {field})"


def _domain(fields: dict[str, str], shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The axes that are directions in space, fastest first.

    Raises:
        ValueError: more than three of them, or components besides.
    """
    kinds = fields.get("kinds", "").lower().split() or ["domain"] * len(shape)
    vectors = _vectors(fields.get("space directions", ""))
    spatial = [
        kind in _SPATIAL and not (vectors and len(vectors) == len(shape) and vectors[axis] is None)
        for axis, kind in enumerate(kinds[: len(shape)])
    ]
    spatial += [True] * (len(shape) - len(spatial))
    listed = " x ".join(map(str, shape))
    components = math.prod(n for n, inside in zip(shape, spatial, strict=True) if not inside)
    if components > 1:
        kind = {3: "an RGB or vector", 4: "an RGBA or vector"}.get(components, "a vector")
        if sum(n > 1 for n in shape) > 3 and (len(kinds) < len(shape) or "list" in kinds):
            raise ValueError(f"{name}: a {len(shape)}-D image ({listed}); take one volume out of it")
        raise ValueError(f"{name}: {kind} image with {components} components a voxel, not a scalar image")
    axes = [axis for axis, inside in enumerate(spatial) if inside]
    while len(axes) > 3 and shape[axes[-1]] == 1:
        axes.pop()
    if len(axes) > 3:
        raise ValueError(f"{name}: a {len(axes)}-D image ({listed}); take one volume out of it")
    if len(axes) < 2:
        raise ValueError(f"{name}: an image of {listed} voxels is no volume")
    return tuple(axes)


def _store(path: Path, fields: dict[str, str], shape: tuple[int, ...], length: int) -> Store:
    name = path.name
    kind = next((kind for kind, names in _TYPES.items() if fields.get("type", "").lower() in names), "")
    if not kind:
        raise ValueError(f"{name}: voxels are no scalar numbers: {_shown(fields, 'type')}")
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower(), "")
    if not encoding:
        raise ValueError(f"{name}: {_shown(fields, 'encoding')} is not a known encoding")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower(), "")
    if not order and kind not in ("i1", "u1") and encoding != "ascii":
        raise ValueError(f"{name}: the order of bytes is not told: {_shown(fields, 'endian')}")
    source = data_file(path)
    start = length if source == path else 0
    lines, skip = (_skipped(fields, field, name) for field in ("line skip", "byte skip"))
    if lines:
        start = _after_lines(source, start, lines)
    if skip < 0 and encoding != "raw":
        raise ValueError(f"{name}: {_shown(fields, 'byte skip')} goes with raw data alone")
    return Store(source, shape, (order or "<") + kind, -1 if skip < 0 else start, max(skip, 0), encoding)


def _skipped(fields: dict[str, str], field: str, name: str) -> int:
    text = fields.get(field, "0")
    if not re.fullmatch(r"-1|\d{1,15}", text, re.ASCII) or (text == "-1" and field != "byte skip"):
        raise ValueError(f"{name}: {_shown(fields, field)} is not a count")
    return int(text)


def _after_lines(path: Path, start: int, lines: int) -> int:
    with open_regular(path) as stream:
        stream.seek(start)
        for _ in range(lines):
            if not stream.readline(1 << 20):
                break
        return stream.tell()


def _vectors(text: str) -> list[tuple[float, ...] | None] | None:
    """Vectors such as `(1,0,0) (0,1,0) none`; None for the whole where it is anything else."""
    if not text or _VECTOR.sub("", text).strip():
        return None
    found: list[tuple[float, ...] | None] = []
    for match in _VECTOR.finditer(text):
        vector = numbers(match.group(1).replace(",", " ")) if match.group(1) is not None else None
        if match.group(1) is not None and vector is None:
            return None
        found.append(vector)
    return found


def _place(
    fields: dict[str, str], axes: tuple[int, ...], dimension: int
) -> tuple[tuple[float, float, float], tuple[float, float, float], Direction, str]:
    """Spacing, origin, direction, and why they cannot be trusted."""
    unit, doubt = _unit(fields)
    nowhere = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    if "space directions" in fields:
        vectors = _vectors(fields["space directions"])
        picked = [vectors[axis] for axis in axes] if vectors is not None and len(vectors) == dimension else []
        if not picked or any(v is None or len(v) != len(picked) or not any(v) for v in picked):
            return *nowhere, f"{_shown(fields, 'space directions')} is not a list of vectors, one for each axis"
        origin = _vectors(fields.get("space origin", "(" + ",".join("0" * len(picked)) + ")"))
        if origin is None or len(origin) != 1 or origin[0] is None or len(origin[0]) != len(picked):
            return *nowhere, f"{_shown(fields, 'space origin')} is not a place"
        return *_oriented(picked, origin[0], unit, fields.get("space", "").lower()), doubt
    if "spacings" not in fields:
        return *nowhere, "its header tells no voxel size (field spacings or space directions)"
    parts = fields["spacings"].split()
    spacing = numbers(" ".join(parts[axis] for axis in axes)) if len(parts) == dimension else None
    if spacing is None or min(spacing) <= 0:
        return *nowhere, f"{_shown(fields, 'spacings')} is not made of positive lengths, one for each axis"
    x, y, z = (unit * length for length in (*spacing, 1.0 / unit)[:3])
    return (x, y, z), _axis_origin(fields, axes, (x, y, z), unit), IDENTITY, doubt


def _unit(fields: dict[str, str]) -> tuple[float, str]:
    """Millimetres in the header's unit of length, and what is wrong with it."""
    field = "space units" if "space units" in fields else "units"
    named = {unit.strip().lower() for unit in _UNIT.findall(fields.get(field, ""))} - {"", "???"}
    if not named:
        return 1.0, ""
    if len(named) > 1 or not named <= UNITS.keys():
        return 1.0, f"{_shown(fields, field)} is not one known unit of length"
    return UNITS[named.pop()], ""


def _oriented(
    vectors: list[tuple[float, ...] | None], origin: tuple[float, ...], unit: float, space: str
) -> tuple[tuple[float, float, float], tuple[float, float, float], Direction]:
    turn = np.asarray(_SPACES.get(space.removesuffix("-time"), (1.0, 1.0, 1.0)))
    count = len(vectors)
    matrix, centre = np.eye(3), np.zeros(3)
    matrix[:count, :count] = np.asarray(vectors, dtype=np.float64).T
    centre[:count] = origin
    # Lengths beyond what numbers hold make a place that is refused later, not a warning here.
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(matrix, axis=0)
        direction = as_direction(turn[:, None] * matrix / lengths)
    x, y, z = (lengths * np.where(np.arange(3) < count, unit, 1.0)).tolist()
    a, b, c = (turn * centre * unit + 0.0).tolist()
    return (x, y, z), (a, b, c), direction


def _axis_origin(
    fields: dict[str, str], axes: tuple[int, ...], spacing: tuple[float, float, float], unit: float
) -> tuple[float, float, float]:
    """The centre of the first voxel by the axes' least positions, or zero where they are not given."""
    parts = fields.get("axis mins", fields.get("axismins", "")).split()
    mins = numbers(" ".join(parts[axis] for axis in axes)) if len(parts) > max(axes) else None
    if mins is None:
        return 0.0, 0.0, 0.0
    centres = fields.get("centers", fields.get("centerings", "")).lower().split()
    place = [0.0, 0.0, 0.0]
    for k, axis in enumerate(axes):
        node = len(centres) > axis and centres[axis] == "node"
        place[k] = unit * mins[k] + (0.0 if node else 0.5 * spacing[k])
    return place[0], place[1], place[2]
