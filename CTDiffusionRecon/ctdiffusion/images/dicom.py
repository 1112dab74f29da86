"""DICOM series of single frames, judged by their tags before they become a volume."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.regularfile import open_regular
from ..core.units import LOWEST_HU
from .ctpd import is_projection
from .dicomfile import PLAIN, DataSet, begins_like_dicom, read_tags
from .dicomframe import Frame, described, read_frame
from .dicompixels import rescaled, significant, stored_values
from .dicomstack import perpendicular, stacked
from .memory import check_memory
from .pixels import FARTHEST_MM, Direction, Pixels

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
# The class of a DICOMDIR, whatever its file is called.
_INDEX = "1.2.840.10008.1.3.10"
# Storage classes of images that a series may be made of: CT, MR, PET, and their enhanced kinds.
_IMAGES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "2.1", "2.2", "4", "4.1", "4.3", "4.4", "128", "128.1", "130")
)
_LONGEST_HEAD = 256


def is_dicom(path: Path) -> bool:
    """True for a file with the DICOM preamble, or one that begins like a DICOM data set without it."""
    with open_regular(path) as stream:
        return begins_like_dicom(stream.read(_LONGEST_HEAD))


def files_in(folder: Path) -> list[Path]:
    """The DICOM files that lie in a folder itself, by name, its index not among them.

    Raises:
        ValueError: something that is neither file nor folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder.name}: neither a regular file nor a folder")
    return sorted(f for f in folder.iterdir() if f.is_file() and f.name.upper() != "DICOMDIR" and is_dicom(f))


def read_series(path: Path, modalities: tuple[str, ...]) -> Pixels:
    """Read the one series in a folder, or the series that a file belongs to, as a straight stack of slices.

    What holds no pixels (structure sets, dose reports, presentation states, an index) and localizers are passed over,
    and so are whole series that cannot be meant beside one that can, which is told.

    Args:
        path: folder or file.
        modalities: those that will do, CT only with a rescale to HU; empty: any, whatever its rescale.

    Raises:
        ValueError: another modality, CT without a rescale, several series, missing slices, two slices at one place,
            gantry tilt, several frames in one file, no pixel spacing, a number that is none, pixels that end early, or
            a compression that cannot be read; the text says which.
    """
    folder = path if path.is_dir() else path.parent
    files = files_in(folder)
    if not files:
        below = next((f for f in sorted(folder.iterdir()) if f.is_dir() and files_in(f)), None)
        hint = f", but in its subfolder {below.name}: name that one" if below else " (with the preamble DICM)"
        raise ValueError(f"{folder.name}: no DICOM files in this folder{hint}")
    images, notes = _meant(_images(path, [read_tags(f) for f in files]), modalities)
    if path != folder and path not in [found.path for found in images]:
        raise ValueError(f"{path.name}: a localizer (scout view), not a slice (tag 0008,0008)")
    frames = [read_frame(found) for found in images]
    _check_one_series(frames, folder.name)
    for frame in frames:
        _check_frame(frame, modalities)
    row, column = perpendicular(frames[0])
    normal = np.cross(row, column)
    spacing, frames = stacked(frames, normal)
    first = frames[0]
    columns, rows = first.size
    check_memory(len(frames) * rows * columns * 12, folder.name, f"a series of {len(frames)} slices")
    parts = [_values(f) for f in frames]
    array = np.stack([values for values, _ in parts])
    if padded := sum(count for _, count in parts):
        lowest = f"{LOWEST_HU:g} HU" if first.modality == "CT" else "the lowest value"
        share = f"{100.0 * padded / array.size:.2g} %"
        notes += (f"{share} of the voxels are padding (tag 0028,0120) and were set to {lowest}",)
    a, b, c, d, e, f, g, h, i = np.stack([row, column, normal], axis=1).reshape(-1).tolist()
    direction: Direction = (a, b, c, d, e, f, g, h, i)
    if len(frames) == 1:
        notes += ("one slice only; its thickness was taken from the file or as 1 mm",)
    down, across = first.spacing
    x, y, z = first.position
    return Pixels(array, (across, down, spacing), (x, y, z), direction, notes, 3, first.body_part, first.modality)


def _images(path: Path, files: list[DataSet]) -> list[DataSet]:
    """The files that hold images and can be meant by `path`, a folder or one of the files."""
    images = [found for found in files if not _pixelless(found)]
    if path.is_dir():
        if not images:
            kinds = ", ".join(sorted({_kind(found) for found in files}))
            raise ValueError(f"{path.name}: no images among its DICOM files ({kinds})")
        beside = [found for found in images if not is_projection(found)]
        images = beside or images
    else:
        wanted = next((found for found in files if found.path == path), None)
        if wanted is None or wanted.storage_class == _INDEX:
            raise ValueError(f"{path.name}: an index of DICOM files, not an image; name the folder or one of the files")
        if wanted not in images:
            raise ValueError(f"{path.name}: {_kind(wanted)}, not an image; name the folder or one of its slices")
        series = wanted.text(0x0020000E)
        # A file so broken that it does not say where it belongs may be a slice of this series.
        images = [f for f in images if f.text(0x0020000E) == series or (f.problem and not f.text(0x0020000E))]
    for found in images:
        if is_projection(found):
            groups = "groups 7029 to 7033"
            raise ValueError(f"{found.path.name}: raw projection data (DICOM-CT-PD), not an image ({groups})")
        if found.problem:
            raise ValueError(f"{found.path.name}: cannot be read: {found.problem}")
    return images


def _pixelless(found: DataSet) -> bool:
    """True for what was never an image; a slice that lost its pixels is one."""
    if found.pixels is not None or found.storage_class in _IMAGES or found.whole(0x00280010):
        return False
    return found.storage_class != "" or not found.problem


def _kind(found: DataSet) -> str:
    """A DICOM object without pixels in words."""
    return f"a DICOM object without pixels (modality {found.text(0x00080060)[:16] or 'unknown'})"


def _meant(images: list[DataSet], modalities: tuple[str, ...]) -> tuple[list[DataSet], tuple[str, ...]]:
    """The images without localizers and without series that cannot be meant, and a note on those.

    Raises:
        ValueError: there are localizers only.
    """
    slices = [found for found in images if not _localizer(found)]
    if not slices:
        raise ValueError(f"{images[0].path.name}: a localizer (scout view), not a slice (tag 0008,0008)")
    possible = {
        found.text(0x0020000E)
        for found in slices
        if found.text(0x00200032) and found.text(0x00200037)
        and (not modalities or found.text(0x00080060) in modalities)
    }  # fmt: skip
    kept = [found for found in slices if found.text(0x0020000E) in possible]
    others = sorted({described(found) for found in slices if found.text(0x0020000E) not in possible})
    if not kept or not others:
        return slices, ()
    count = len(slices) - len(kept)
    return kept, (f"{count} files of other kinds in the folder were left out ({', '.join(others)[:80]})",)


def _localizer(found: DataSet) -> bool:
    return "LOCALIZER" in (part.strip().upper() for part in found.text(0x00080008).split("\\"))


def _codec(found: DataSet) -> str:
    name = _CODECS.get(found.syntax)
    return f" (its pixels are compressed with {name}, transfer syntax {found.syntax})" if name else ""


def _check_one_series(frames: list[Frame], name: str) -> None:
    counts = Counter(f.series for f in frames)
    if len(counts) > 1:
        listed = "; ".join(
            f"{_described(frames, uid)}: {n} files, e.g. {_example(frames, uid)}" for uid, n in counts.items()
        )
        raise ValueError(
            f"{name}: {len(counts)} DICOM series in one folder ({listed}); give one file of the series you want"
        )


def _described(frames: list[Frame], series: str) -> str:
    """What most files of a series call it."""
    return Counter(f.description for f in frames if f.series == series).most_common(1)[0][0]


def _example(frames: list[Frame], series: str) -> str:
    return next(f.path.name for f in frames if f.series == series)


def _check_frame(frame: Frame, modalities: tuple[str, ...]) -> None:
    name = frame.path.name
    if not frame.placed:
        raise ValueError(f"{name}: no image position or orientation (tags 0020,0032 and 0020,0037)")
    if max(map(abs, frame.position)) > FARTHEST_MM:
        raise ValueError(f"{name}: image position farther than {FARTHEST_MM:g} mm (tag 0020,0032)")
    if modalities and frame.modality not in modalities:
        wanted = " or ".join(modalities)
        raise ValueError(f"{name}: modality {frame.modality or 'unknown'}, not {wanted} (tag 0008,0060)")
    if modalities and frame.modality == "CT" and frame.rescale is None:
        raise ValueError(f"{name}: no rescale to HU (tags 0028,1052 and 0028,1053); pass assume_hu=True (--assume-hu)")
    if len(frame.spacing) != 2 or min(frame.spacing) <= 0:
        text = frame.found.text(0x00280030)[:40]
        what = f"pixel spacing {text!r} is not two positive lengths" if text else "no pixel spacing"
        other = "; 0018,1164 is that of the detector" if frame.found.text(0x00181164) else ""
        raise ValueError(f"{name}: {what} (tag 0028,0030{other})")


def _values(frame: Frame) -> tuple[NDArray[Any], int]:
    """Values of one slice after its rescale, and how many of them are padding."""
    found, codec = frame.found, _codec(frame.found)
    if found.syntax not in PLAIN:
        deep = read_tags(found.path, deep=True)
        if deep.problem:
            raise ValueError(f"{found.path.name}: cannot be read: {deep.problem}")
    stored = stored_values(found, frame.how, codec)
    fill = LOWEST_HU if frame.modality == "CT" and frame.rescale is not None else None
    if frame.rescale is None and frame.how.padding is None:
        return significant(stored, frame.how), 0
    return rescaled(stored, frame.how, *(frame.rescale or (1.0, 0.0)), fill)
