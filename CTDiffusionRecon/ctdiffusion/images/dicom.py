"""DICOM series of single frames, judged by their tags before they become a volume."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .itk import one_line, open_header, toolkit
from .memory import check_memory
from .pixels import Direction, Pixels

# Transfer syntaxes that GDCM in SimpleITK cannot decode, by the name a user can search for.
_CODECS = {
    "1.2.840.10008.1.2.4.100": "MPEG-2",
    "1.2.840.10008.1.2.4.102": "MPEG-4 AVC/H.264",
    "1.2.840.10008.1.2.4.107": "HEVC/H.265",
    "1.2.840.10008.1.2.4.110": "JPEG XL lossless",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000 RPCL",
    "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE",
}
# Direction cosines of three decimals are this far from unit length, and from a right angle, at most.
_ROUNDING = 2e-3
_STORAGE_CLASS, _TRANSFER_SYNTAX = b"\x02\x00", b"\x10\x00"
# Raw Data Storage, the class of a scanner's projections in DICOM-CT-PD files.
_RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
# What a geometry needs of a DICOM-CT-PD file, by the bytes of its private tags.
# Chen et al. 2015, doi:10.1118/1.4935406.
_PROJECTION_TAGS = {
    b"\x31\x70\x03\x10": "(7031,1003) source to isocentre",
    b"\x31\x70\x31\x10": "(7031,1031) source to detector",
    b"\x31\x70\x01\x10": "(7031,1001) view angle",
    b"\x31\x70\x33\x10": "(7031,1033) central detector element",
    b"\x29\x70\x02\x10": "(7029,1002) column spacing",
    b"\x29\x70\x06\x10": "(7029,1006) row spacing",
    b"\x29\x70\x0b\x10": "(7029,100B) detector shape",
    b"\x33\x70\x0e\x10": "(7033,100E) flying focal spot mode",
}


@dataclass(frozen=True)
class _Frame:
    path: Path
    series: str
    description: str
    modality: str
    position: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float]
    size: tuple[int, ...]
    components: int
    frames: int
    has_rescale: bool
    tilt: float
    body_part: str


def is_dicom(path: Path) -> bool:
    """True for a file with the DICOM preamble."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def files_in(folder: Path) -> list[Path]:
    """The DICOM files that lie in a folder itself, by name, its index not among them."""
    return sorted(f for f in folder.iterdir() if f.is_file() and is_dicom(f) and f.name.upper() != "DICOMDIR")


def read_series(path: Path, modalities: tuple[str, ...]) -> Pixels:
    """Read the one series in a folder, or the series that a file belongs to, as a straight stack of slices.

    Args:
        path: folder or file.
        modalities: those that will do, CT only with a rescale to HU; empty: any, whatever its rescale.

    Raises:
        ValueError: another modality, CT without a rescale, several series, missing slices, two slices at one place,
            gantry tilt, several frames in one file, or a compression that cannot be read; the text says which.
    """
    folder = path if path.is_dir() else path.parent
    files = files_in(folder)
    if not files:
        below = next((f for f in sorted(folder.iterdir()) if f.is_dir() and files_in(f)), None)
        hint = f", but in its subfolder {below.name}: name that one" if below else " (with the preamble DICM)"
        raise ValueError(f"{folder.name}: no DICOM files in this folder{hint}")
    frames = [_frame(f) for f in files]
    if path != folder:
        wanted = next((f.series for f in frames if f.path == path), None)
        if wanted is None:
            raise ValueError(f"{path.name}: an index of DICOM files, not an image; name the folder or one of the files")
        frames = [f for f in frames if f.series == wanted]
    _check_one_series(frames, folder.name)
    for frame in frames:
        _check_frame(frame, modalities)
    assert frames[0].orientation is not None
    row, column = _perpendicular(frames[0].orientation)
    normal = np.cross(row, column)
    spacing, frames = _stacked(frames, normal)
    first = frames[0]
    assert first.position is not None
    rows, columns = first.size[1], first.size[0]
    check_memory(len(frames) * rows * columns * 12, folder.name, f"a series of {len(frames)} slices")
    array = np.stack([_pixels(f) for f in frames])
    a, b, c, d, e, f, g, h, i = np.stack([row, column, normal], axis=1).reshape(-1).tolist()
    direction: Direction = (a, b, c, d, e, f, g, h, i)
    notes = ("one slice only; its thickness was taken from the file or as 1 mm",) if len(frames) == 1 else ()
    place = (*first.spacing, spacing), first.position, direction
    return Pixels(array, *place, notes, 3, first.body_part, first.modality)


def _frame(path: Path) -> _Frame:
    reader = _open(path)
    keys = set(reader.GetMetaDataKeys())

    def text(tag: str) -> str:
        # ITK pads with blanks, and old writers with zero bytes.
        return str(reader.GetMetaData(tag)).strip(" \0") if tag in keys else ""

    position, orientation = _numbers(text("0020|0032"), 3), _numbers(text("0020|0037"), 6)
    pitch = reader.GetSpacing()
    return _Frame(
        path=path,
        series=text("0020|000e"),
        description=text("0008|103e") or text("0008|0060"),
        modality=text("0008|0060"),
        position=None if position is None else (position[0], position[1], position[2]),
        orientation=orientation,
        spacing=(pitch[0], pitch[1]),
        size=tuple(reader.GetSize()),
        components=reader.GetNumberOfComponents(),
        frames=int((_numbers(text("0028|0008"), 1) or (1,))[0]),
        has_rescale="0028|1052" in keys,
        tilt=(_numbers(text("0018|1120"), 1) or (0.0,))[0],
        body_part=text("0018|0015"),
    )


def _numbers(text: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return None
    return values if len(values) == count else None


def _meta_value(path: Path, element: bytes) -> str:
    """A text of the file's meta group (0002), which ITK does not hand out; it stands near the start."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    at = head.find(b"\x02\x00" + element + b"UI")
    if at < 0:
        return ""
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + length].decode("latin-1").strip(" \0")


def _open(path: Path) -> Any:
    """A reader of one file, once its storage class and its compression are known to be readable."""
    if _meta_value(path, _STORAGE_CLASS) == _RAW_DATA:
        raise ValueError(f"{path.name}: raw projection data (DICOM-CT-PD), not an image (tag 0002,0002)")
    try:
        return open_header(path, "GDCMImageIO")
    except ValueError as error:
        raise ValueError(f"{error}{_codec(path)}") from None


def _codec(path: Path) -> str:
    syntax = _meta_value(path, _TRANSFER_SYNTAX)
    name = _CODECS.get(syntax)
    return f" (its pixels are compressed with {name}, transfer syntax {syntax})" if name else ""


def _check_one_series(frames: list[_Frame], name: str) -> None:
    counts = Counter((f.series, f.description) for f in frames)
    if len(counts) > 1:
        listed = "; ".join(f"{text}: {n} files, e.g. {_example(frames, uid)}" for (uid, text), n in counts.items())
        raise ValueError(
            f"{name}: {len(counts)} DICOM series in one folder ({listed}); give one file of the series you want"
        )


def _example(frames: list[_Frame], series: str) -> str:
    return next(f.path.name for f in frames if f.series == series)


def _check_frame(frame: _Frame, modalities: tuple[str, ...]) -> None:
    name = frame.path.name
    if frame.frames > 1 or any(n > 1 for n in frame.size[2:]):
        raise ValueError(f"{name}: a multi-frame DICOM file ({frame.frames} frames); convert it to NRRD")
    if frame.components != 1:
        raise ValueError(f"{name}: a colour image with {frame.components} components a voxel, not CT")
    if frame.position is None or frame.orientation is None:
        raise ValueError(f"{name}: no image position or orientation (tags 0020,0032 and 0020,0037)")
    if modalities and frame.modality not in modalities:
        wanted = " or ".join(modalities)
        raise ValueError(f"{name}: modality {frame.modality or 'unknown'}, not {wanted} (tag 0008,0060)")
    if modalities and frame.modality == "CT" and not frame.has_rescale:
        raise ValueError(f"{name}: no rescale to HU (tags 0028,1052 and 0028,1053); pass assume_hu=True (--assume-hu)")


def _stacked(frames: list[_Frame], normal: NDArray[np.float64]) -> tuple[float, list[_Frame]]:
    """Slice spacing in mm and the frames in order along the normal."""
    first = frames[0]
    orientation = np.asarray(first.orientation)
    for frame in frames:
        if frame.size[:2] != first.size[:2]:
            raise ValueError(f"{frame.path.name}: {frame.size[:2]} pixels, {first.path.name} has {first.size[:2]}")
        if np.abs(np.asarray(frame.orientation) - orientation).max() > 1e-3:
            raise ValueError(f"{frame.path.name}: another orientation than {first.path.name} (tag 0020,0037)")
        if np.abs(np.subtract(frame.spacing, first.spacing)).max() > 1e-4:
            raise ValueError(f"{frame.path.name}: another pixel spacing than {first.path.name} (tag 0028,0030)")
    frames = sorted(frames, key=lambda f: float(np.dot(np.asarray(f.position), normal)))
    if len(frames) == 1:
        return _thickness(first.path), frames
    positions = np.asarray([f.position for f in frames])
    depth = positions @ normal
    gaps = np.diff(depth)
    spacing = float(np.median(gaps))
    if gaps.min() < 1e-3:
        k = int(gaps.argmin())
        pair = f"{frames[k].path.name} and {frames[k + 1].path.name}"
        raise ValueError(f"{pair}: two slices at one position ({depth[k]:g} mm)")
    sideways = positions[-1] - positions[0] - (depth[-1] - depth[0]) * normal
    if np.linalg.norm(sideways) > 1e-3 * (depth[-1] - depth[0]) + 0.05:
        angle = np.degrees(np.arctan2(np.linalg.norm(sideways), depth[-1] - depth[0]))
        told = f", tag 0018,1120 says {first.tilt:g}" if first.tilt else ""
        raise ValueError(f"{first.path.name}: gantry tilt of {angle:.1f} degrees{told}: resample it first")
    odd = np.flatnonzero(np.abs(gaps - spacing) > 0.1 * spacing)
    if odd.size:
        k = int(odd[0])
        missing = round(float(gaps[k]) / spacing) - 1
        what = f"{missing} missing" if missing > 0 else "uneven spacing"
        raise ValueError(
            f"slices are not evenly spaced: {what} between {frames[k].path.name} at {depth[k]:g} mm and "
            f"{frames[k + 1].path.name} at {depth[k + 1]:g} mm (usually {spacing:g} mm apart); {odd.size} such gaps"
        )
    return float((depth[-1] - depth[0]) / (len(frames) - 1)), frames


def _perpendicular(orientation: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The directions of rows and columns as perpendicular unit vectors; some writers round them to three decimals."""
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(float(row @ column))) > _ROUNDING:
        return row, column
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _thickness(path: Path) -> float:
    reader = _open(path)
    value = str(reader.GetMetaData("0018|0050")) if "0018|0050" in reader.GetMetaDataKeys() else "1"
    try:
        return max(float(value), 0.0) or 1.0
    except ValueError:
        return 1.0


def _pixels(frame: _Frame) -> NDArray[Any]:
    try:
        image = _open(frame.path).Execute()
    except RuntimeError as error:
        raise ValueError(
            f"{frame.path.name}: its pixels cannot be decoded: {one_line(error)}{_codec(frame.path)}"
        ) from None
    return np.asarray(toolkit().GetArrayFromImage(image)).reshape(frame.size[1], frame.size[0])


def projections_refusal(path: Path) -> str:
    """Why a DICOM file cannot be read as projections, with the tags that a geometry file has to be filled from."""
    kind = "raw projection data (DICOM-CT-PD)" if _meta_value(path, _STORAGE_CLASS) == _RAW_DATA else "a DICOM image"
    head = path.read_bytes()[:65536]
    missing = [name for tag, name in _PROJECTION_TAGS.items() if tag not in head]
    lacking = f"; missing here: {', '.join(missing)}" if missing else ""
    return (
        f"{path.name}: {kind} is not read as projections; convert it to NPZ or HDF5 with a geometry file made from "
        f"{', '.join(_PROJECTION_TAGS.values())}{lacking}"
    )
