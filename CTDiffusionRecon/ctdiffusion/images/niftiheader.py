"""The header of a NIfTI-1, NIfTI-2 or Analyze 7.5 file, field by field, judged before a voxel is read.

NIfTI-1: nifti.nimh.nih.gov/nifti-1 (nifti1.h); NIfTI-2: the same with wider fields (nifti2.h).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from .pixels import LARGEST_MM

# struct letters, offsets and counts of the fields that matter, in the two layouts.
_FIELDS_1 = {
    "dim": ("h", 40, 8), "intent_code": ("h", 68, 1), "datatype": ("h", 70, 1), "pixdim": ("f", 76, 8),
    "vox_offset": ("f", 108, 1), "scl_slope": ("f", 112, 1), "scl_inter": ("f", 116, 1), "xyzt_units": ("B", 123, 1),
    "qform_code": ("h", 252, 1), "sform_code": ("h", 254, 1), "quatern": ("f", 256, 3), "qoffset": ("f", 268, 3),
    "srow": ("f", 280, 12),
}  # fmt: skip
_FIELDS_2 = {
    "dim": ("q", 16, 8), "intent_code": ("i", 504, 1), "datatype": ("h", 12, 1), "pixdim": ("d", 104, 8),
    "vox_offset": ("q", 168, 1), "scl_slope": ("d", 176, 1), "scl_inter": ("d", 184, 1), "xyzt_units": ("i", 500, 1),
    "qform_code": ("i", 344, 1), "sform_code": ("i", 348, 1), "quatern": ("d", 352, 3), "qoffset": ("d", 376, 3),
    "srow": ("d", 400, 12),
}  # fmt: skip
_SIZES = {348: _FIELDS_1, 540: _FIELDS_2}
LONGEST_HEADER = 544
_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_OTHER_TYPES = {1: "1-bit", 32: "complex", 128: "RGB", 1536: "128-bit", 1792: "complex", 2048: "complex", 2304: "RGBA"}
_LABELS, _VECTOR = 1002, 1007
# Millimetres in the units of `xyzt_units`; 0 is unknown and taken for mm, as everybody does.
_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI header says.

    Attributes:
        shape: voxels (x, y, z).
        dimensions: 2 or 3.
        dtype: of the stored voxels, with its byte order, as numpy writes it.
        offset: where the voxels begin in their file.
        single: header and voxels are one file.
        slope, intercept: value = stored * slope + intercept; (1, 0) where nothing is to be done.
        pixdim: voxel size in mm.
        qfac: -1 where the third axis of the quaternion form is turned round.
        qform, sform: codes, 0: not given.
        quaternion, offsets: of the quaternion form, offsets in mm.
        rows: the affine form in mm, row-major, 3 by 4.
        notes: what a user should know.
    """

    shape: tuple[int, int, int]
    dimensions: int
    dtype: str
    offset: int
    single: bool
    slope: float
    intercept: float
    pixdim: tuple[float, float, float]
    qfac: float
    qform: int
    sform: int
    quaternion: tuple[float, float, float]
    offsets: tuple[float, float, float]
    rows: tuple[float, ...]
    notes: tuple[str, ...]


def parse_header(head: bytes, name: str) -> NiftiHeader:
    """Read the header's bytes.

    Args:
        head: the first bytes of the file, up to `LONGEST_HEADER`.
        name: the file's name, for messages.

    Raises:
        ValueError: not such a header, or a field that cannot be right; names the file and the field.
    """
    order = next((o for o in "<>" if len(head) >= 4 and struct.unpack(o + "i", head[:4])[0] in _SIZES), "")
    if not order or len(head) < struct.unpack(order + "i", head[:4])[0]:
        raise ValueError(f"{name}: cannot be read: not a NIfTI header (field sizeof_hdr)")
    size = struct.unpack(order + "i", head[:4])[0]
    values = {
        field: struct.unpack_from(f"{order}{count}{letter}", head, at)
        for field, (letter, at, count) in _SIZES[size].items()
    }
    magic = head[344:347] if size == 348 else head[4:7]
    analyze = size == 348 and magic not in (b"n+1", b"ni1")
    if analyze and magic.strip(b"\0 ") and not magic.isascii():
        raise ValueError(f"{name}: cannot be read: neither NIfTI nor Analyze (field magic)")
    shape, dimensions = _shape(values["dim"], values["intent_code"][0], name)
    if not analyze and values["intent_code"][0] == _LABELS:
        raise ValueError(f"{name}: a NIfTI label map, not a scalar image")
    kind = values["datatype"][0]
    if kind not in _TYPES:
        raise ValueError(f"{name}: voxels of type {_OTHER_TYPES.get(kind, 'unknown')} ({kind}, field datatype)")
    notes: tuple[str, ...] = ("an Analyze file: its header tells no orientation",) if analyze else ()
    slope, intercept, more = _scaling(values["scl_slope"][0], values["scl_inter"][0] if not analyze else 0.0, name)
    units = int(values["xyzt_units"][0]) & 7 if not analyze else 0
    if units not in _UNITS:
        raise ValueError(f"{name}: {units} is no unit of length (field xyzt_units)")
    unit = _UNITS[units]
    single = magic in (b"n+1", b"n+2")
    return NiftiHeader(
        shape=shape,
        dimensions=dimensions,
        dtype=order + _TYPES[kind],
        offset=_offset(values["vox_offset"][0], (size + 4) if single else 0, name),
        single=single,
        slope=slope,
        intercept=intercept,
        pixdim=_pixdim(values["pixdim"], dimensions, unit, name),
        qfac=-1.0 if values["pixdim"][0] < 0 else 1.0,
        qform=0 if analyze else values["qform_code"][0],
        sform=0 if analyze else values["sform_code"][0],
        quaternion=values["quatern"],
        offsets=tuple(unit * value for value in values["qoffset"]),
        rows=tuple(unit * value for value in values["srow"]),
        notes=notes + more,
    )


def _shape(dim: tuple[int, ...], intent: int, name: str) -> tuple[tuple[int, int, int], int]:
    count = dim[0]
    if not 1 <= count <= 7:
        raise ValueError(f"{name}: cannot be read: {count} dimensions (field dim[0])")
    sizes = dim[1 : count + 1]
    for axis, length in enumerate(sizes, start=1):
        if length < 1:
            raise ValueError(f"{name}: the image is empty or its header wrong: size {length} (field dim[{axis}])")
    listed = " x ".join(map(str, sizes))
    if count >= 5 and sizes[4] > 1 and max(sizes[3:4] + sizes[5:]) == 1:
        raise ValueError(f"{name}: a vector image with {sizes[4]} components a voxel, not a scalar image")
    if any(length > 1 for length in sizes[3:]):
        raise ValueError(f"{name}: a {count}-D image ({listed}); take one volume out of it")
    if count == 1:
        raise ValueError(f"{name}: a 1-D image of {listed} voxels is no volume")
    return (sizes[0], sizes[1], sizes[2] if count > 2 else 1), min(count, 3)


def _scaling(slope: float, intercept: float, name: str) -> tuple[float, float, tuple[str, ...]]:
    # Zero is the standard's "not scaled", not-a-number that of a widespread writer.
    if slope == 0.0:
        return 1.0, 0.0, ()
    if math.isnan(slope) and (math.isnan(intercept) or intercept == 0.0):
        return 1.0, 0.0, ("its scale (field scl_slope) is not a number: the stored values were taken as they are",)
    for field, value in (("scl_slope", slope), ("scl_inter", intercept)):
        if not math.isfinite(value):
            raise ValueError(f"{name}: a scale of {value:g} (field {field})")
    return slope, intercept, ()


def _offset(value: float, least: int, name: str) -> int:
    if not math.isfinite(value) or value != int(value) or value < 0 or (0 < value < least):
        raise ValueError(f"{name}: voxels cannot begin at byte {value:g} (field vox_offset)")
    return max(int(value), least)


def _pixdim(pixdim: tuple[float, ...], dimensions: int, unit: float, name: str) -> tuple[float, float, float]:
    lengths = [unit * value for value in pixdim[1 : dimensions + 1]]
    for axis, length in enumerate(lengths, start=1):
        if not 0.0 < length <= LARGEST_MM:
            raise ValueError(f"{name}: spacing: {length:g} mm is not the size of a voxel (field pixdim[{axis}])")
    return (lengths[0], lengths[1], lengths[2] if dimensions == 3 else 1.0)
