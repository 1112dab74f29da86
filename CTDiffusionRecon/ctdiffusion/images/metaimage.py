"""MetaImage files (.mha, .mhd): header, place in LPS, and where the voxels are.

itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.regularfile import open_regular
from .header import HEADER_BYTES, data_file
from .headertext import UNITS, numbers, shortened, sizes
from .pixels import IDENTITY, Direction, Pixels, as_direction
from .voxels import Store, read_voxels

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
_MOST_DIMENSIONS = 10


def read_meta(path: Path) -> Pixels:
    """Read a scalar image of at most three dimensions; what its place cannot be told from is in `doubt`.

    Raises:
        ValueError: not such an image, or a header that does not fit its file; names the file and the field.
        OSError: the file cannot be read.
    """
    fields, length = _header(path)
    name = path.name
    channels = sizes(fields.get("elementnumberofchannels", "1"))
    if channels is None:
        raise ValueError(f"{name}: {_shown(fields, 'ElementNumberOfChannels')} is not a count")
    if channels[0] > 1:
        kind = {3: "an RGB or vector", 4: "an RGBA or vector"}.get(channels[0], "a vector")
        raise ValueError(f"{name}: {kind} image with {channels[0]} components a voxel, not a scalar image")
    shape = sizes(fields.get("dimsize", ""))
    if shape is None:
        raise ValueError(f"{name}: the image is empty or its header wrong: {_shown(fields, 'DimSize')}")
    if fields.get("ndims", "") != str(len(shape)) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"{name}: {_shown(fields, 'NDims')} does not fit {len(shape)} sizes")
    if any(n > 1 for n in shape[3:]):
        listed = " x ".join(map(str, shape))
        raise ValueError(f"{name}: a {len(shape)}-D image ({listed}); take one volume out of it")
    if len(shape) < 2:
        raise ValueError(f"{name}: an image of {shape[0]} voxels in a row is no volume")
    array = read_voxels(_store(path, fields, shape, length), name)
    dimensions = min(len(shape), 3)
    array = array.reshape(shape[:3][::-1])
    spacing, origin, direction, doubt = _place(fields, len(shape))
    slope = numbers(fields.get("elementtointensityfunctionslope", "1"))
    intercept = numbers(fields.get("elementtointensityfunctionoffset", "0"))
    if slope != (1.0,) or intercept != (0.0,):
        raise ValueError(f"{name}: a scale of its values (field ElementToIntensityFunctionSlope) is not read")
    if dimensions == 2:
        note = "a 2-D image, taken as one slice of 1 mm"
        return Pixels(array[None], spacing, origin, direction, (note,), 2, doubt=doubt)
    return Pixels(array, spacing, origin, direction, doubt=doubt)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields by name in lower case, and the header's length in bytes; ElementDataFile is the last."""
    with open_regular(path) as stream:
        head = stream.read(HEADER_BYTES)
    fields: dict[str, str] = {}
    at = 0
    while at < len(head):
        end = head.find(b"\n", at)
        line = head[at : end if end >= 0 else len(head)].decode("utf-8", "replace")
        at = end + 1 if end >= 0 else len(head)
        key, found, value = line.partition("=")
        key = key.strip().lower()
        if not found:
            if line.strip() and not fields:
                break
            continue
        if key in fields:
            raise ValueError(f"{path.name}: its header states field {key[:30]!r} twice")
        fields[key] = value.strip()
        if key == "elementdatafile":
            return fields, at
    raise ValueError(f"{path.name}: cannot be read: not a MetaImage header (field ElementDataFile)")


def _shown(fields: dict[str, str], field: str) -> str:
    return f"{shortened(fields.get(field.lower(), ''))} (field {field})"


def _true(fields: dict[str, str], field: str, otherwise: bool, name: str) -> bool:
    text = fields.get(field.lower(), str(otherwise)).lower()
    if text not in ("true", "false", "1", "0"):
        raise ValueError(f"{name}: {_shown(fields, field)} is neither True nor False")
    return text in ("true", "1")


def _store(path: Path, fields: dict[str, str], shape: tuple[int, ...], length: int) -> Store:
    name = path.name
    kind = _TYPES.get(fields.get("elementtype", "").upper(), "")
    if not kind:
        raise ValueError(f"{name}: voxels are no scalar numbers: {_shown(fields, 'ElementType')}")
    big = any(_true(fields, field, False, name) for field in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    encoding = "ascii"
    if _true(fields, "BinaryData", True, name):
        encoding = "zlib" if _true(fields, "CompressedData", False, name) else "raw"
    source = data_file(path)
    start = length if source == path else 0
    skip = fields.get("headersize", "0")
    if skip == "-1" and encoding == "raw":
        start = -1
    elif not skip.isdecimal() or len(skip) > 15:
        raise ValueError(f"{name}: {_shown(fields, 'HeaderSize')} is not a count of bytes")
    else:
        start += int(skip)
    return Store(source, shape, (">" if big else "<") + kind, start, 0, encoding)


def _place(
    fields: dict[str, str], dimension: int
) -> tuple[tuple[float, float, float], tuple[float, float, float], Direction, str]:
    """Spacing, origin, direction, and why they cannot be trusted."""
    nowhere = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    field = next((name for name in ("ElementSpacing", "ElementSize") if name.lower() in fields), "")
    if not field:
        return *nowhere, "its header tells no voxel size (field ElementSpacing)"
    lengths = numbers(fields[field.lower()])
    if lengths is None or len(lengths) != dimension or min(lengths) <= 0:
        return *nowhere, f"{_shown(fields, field)} is not made of positive lengths, one for each axis"
    unit = fields.get("distanceunits", "?").lower()
    if unit not in ("?", "") and unit not in UNITS:
        return *nowhere, f"{_shown(fields, 'DistanceUnits')} is not a known unit of length"
    scale = UNITS.get(unit, 1.0)
    kept = min(dimension, 3)
    matrix, centre = np.eye(3), np.zeros(3)
    field = next((name for name in ("TransformMatrix", "Rotation", "Orientation") if name.lower() in fields), "")
    if field:
        cosines = numbers(fields[field.lower()])
        if cosines is None or len(cosines) != dimension**2:
            return *nowhere, f"{_shown(fields, field)} is not a matrix of {dimension} by {dimension} numbers"
        # A row of the file is the direction of an axis.
        matrix[:kept, :kept] = np.reshape(cosines, (dimension, dimension))[:kept, :kept].T
    field = next((name for name in ("Offset", "Position", "Origin") if name.lower() in fields), "")
    if field:
        place = numbers(fields[field.lower()])
        if place is None or len(place) != dimension:
            return *nowhere, f"{_shown(fields, field)} is not a place"
        centre[:kept] = place[:kept]
    x, y, z = (scale * length for length in (*lengths, 1.0 / scale)[:3])
    a, b, c = (scale * centre).tolist()
    return (x, y, z), (a, b, c), as_direction(matrix), ""
