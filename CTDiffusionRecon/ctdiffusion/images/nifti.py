"""NIfTI and Analyze files: voxels as they are stored, their scale, and their place in LPS millimetres.

Read here and not by a library, because the library turns voxels that are no numbers into 0 HU, which is water, and
takes the header's offsets and sizes on trust.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.regularfile import open_regular
from .header import data_file, image_suffix
from .niftiheader import LONGEST_HEADER, NiftiHeader, parse_header
from .pixels import IDENTITY, Direction, Pixels, as_direction, straightened
from .voxels import Store, read_voxels

# NIfTI's axes point right, anterior, superior where ours point left, posterior, superior.
_TO_LPS = np.diag([-1.0, -1.0, 1.0])
_NO_PLACE = "its header tells no orientation (fields qform_code and sform_code are 0): rows and columns taken as LPS"


def read_nifti(path: Path) -> Pixels:
    """Read a scalar image of two or three dimensions: one file or a pair, plain or gzipped.

    Args:
        path: the file, or either of a pair.

    Raises:
        ValueError: not such an image, or a header that does not fit its file; names the file and the field.
        OSError: the file cannot be read.
    """
    header_path = _header_file(path)
    head = _bytes(header_path, 0, LONGEST_HEADER)
    header = parse_header(head, path.name)
    voxels_path = header_path if header.single else data_file(path)
    if header.single != (image_suffix(path) in (".nii", ".nii.gz")) and not voxels_path.is_file():
        raise ValueError(f"{path.name}: its header and its name do not fit (field magic)")
    array = read_voxels(_store(header, voxels_path), path.name)
    if (header.slope, header.intercept) != (1.0, 0.0):
        with np.errstate(over="ignore", invalid="ignore"):
            array = (array * np.float64(header.slope) + header.intercept).astype(np.float32)
    spacing, origin, direction, notes = place(header, path.name)
    notes = header.notes + notes
    if header.dimensions == 2:
        notes += ("a 2-D image, taken as one slice of 1 mm",)
    return Pixels(array, spacing, origin, direction, notes, header.dimensions)


def _header_file(path: Path) -> Path:
    suffix = image_suffix(path)
    if suffix not in (".img", ".img.gz"):
        return path
    stem = path.name[: -len(suffix)]
    there = [path.with_name(stem + end) for end in (".hdr", ".hdr.gz", ".HDR") if path.with_name(stem + end).is_file()]
    if not there:
        raise ValueError(f"{path.name}: its header file {stem}.hdr is missing")
    return there[0]


def _store(header: NiftiHeader, path: Path) -> Store:
    if _is_gzip(path):
        return Store(path, header.shape, header.dtype, 0, header.offset, "gzip")
    return Store(path, header.shape, header.dtype, header.offset)


def _is_gzip(path: Path) -> bool:
    with open_regular(path) as stream:
        return stream.read(2) == b"\x1f\x8b"


def _bytes(path: Path, start: int, count: int) -> bytes:
    if _is_gzip(path):
        with open_regular(path) as stream:
            try:
                return zlib.decompressobj(wbits=31).decompress(stream.read(1 << 16), start + count)[start:]
            except zlib.error:
                return b""
    with open_regular(path) as stream:
        stream.seek(start)
        return stream.read(count)


def place(
    header: NiftiHeader, name: str
) -> tuple[tuple[float, float, float], tuple[float, float, float], Direction, tuple[str, ...]]:
    """Spacing, origin and direction in LPS, and notes.

    The affine form is taken where it is the scanner's or the only one, else the quaternion form, as ITK does; an affine
    form whose axes are hardly sheared is straightened, one that is more so gives way to the quaternion form.

    Raises:
        ValueError: neither form makes a straight grid.
    """
    if header.sform > 0 and not (header.qform > 0 and header.sform != 1):
        try:
            return _from_rows(header, name)
        except ValueError:
            if header.qform <= 0:
                raise
    if header.qform > 0:
        return _from_quaternion(header, name)
    return header.pixdim, (0.0, 0.0, 0.0), IDENTITY, () if header.notes else (_NO_PLACE,)


def _from_rows(
    header: NiftiHeader, name: str
) -> tuple[tuple[float, float, float], tuple[float, float, float], Direction, tuple[str, ...]]:
    rows = np.asarray(header.rows, dtype=np.float64).reshape(3, 4)
    if not np.isfinite(rows).all():
        raise ValueError(f"{name}: a place that is not finite (field srow)")
    matrix = rows[:, :3]
    lengths = np.linalg.norm(matrix, axis=0)
    if not (lengths > 0).all():
        raise ValueError(f"{name}: spacing: an axis of no length (field srow)")
    straight = straightened(matrix / lengths)
    if straight is None:
        raise ValueError(
            f"{name}: direction: the axes are not perpendicular (a sheared image, as gantry tilt makes; field srow); "
            "resample it onto a straight grid first"
        )
    x, y, z = (float(length) for length in lengths)
    notes: tuple[str, ...] = ()
    if np.abs(lengths / header.pixdim - 1.0)[: header.dimensions].max() > 0.01:
        said = " x ".join(f"{length:g}" for length in header.pixdim)
        notes = (f"its voxels are {x:g} x {y:g} x {z:g} mm by field srow, {said} mm by field pixdim; srow was taken",)
    spacing = (x, y, z if header.dimensions == 3 else 1.0)
    return spacing, _lps(rows[:, 3]), as_direction(_TO_LPS @ straight), notes


def _from_quaternion(
    header: NiftiHeader, name: str
) -> tuple[tuple[float, float, float], tuple[float, float, float], Direction, tuple[str, ...]]:
    b, c, d = header.quaternion
    if not all(map(math.isfinite, (*header.quaternion, *header.offsets))):
        raise ValueError(f"{name}: a place that is not finite (fields quatern and qoffset)")
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < -1e-2:
        raise ValueError(f"{name}: direction: not a rotation (fields quatern_b, quatern_c and quatern_d)")
    a = math.sqrt(max(rest, 0.0))
    if rest < 1e-7:
        size = math.sqrt(b * b + c * c + d * d)
        a, b, c, d = 0.0, b / size, c / size, d / size
    matrix = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    matrix[:, 2] *= header.qfac
    return header.pixdim, _lps(np.asarray(header.offsets)), as_direction(_TO_LPS @ matrix), ()


def _lps(offset: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (_TO_LPS @ offset).tolist()
    # Not -0.
    return x + 0.0, y + 0.0, z + 0.0
