"""Volumes in Hounsfield units with their place in the patient, and the files they come from and go to."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..core.plugins import VOLUMES, plugin
from ..scan.beams import Grid
from . import dicom, header
from .files import READABLE, read_image
from .hounsfield import refuse_label_map, to_hounsfield
from .itk import one_line, toolkit
from .pixels import IDENTITY, Direction, Pixels, check_direction, placed

WRITABLE = (".nrrd", ".nii.gz", ".nii", ".mha")


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT volume.

    Attributes:
        array: float32 HU, `[slice, row, column]`, C-contiguous.
        spacing: voxel size in mm, (x, y, z) = (column, row, slice).
        origin: centre of voxel (0, 0, 0) in mm, LPS.
        direction: row-major 3x3 matrix whose columns are the directions of the x, y and z index axes in LPS.
        notes: what was found or changed when it was read (padding clipped, metal, thickness assumed).
        body_part: what a DICOM series says that it shows, or empty.
        modality: what a DICOM series says that it is (CT, MR), or empty.
    """

    array: NDArray[np.float32]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: Direction = IDENTITY
    notes: tuple[str, ...] = ()
    body_part: str = ""
    modality: str = ""

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim != 3 or array.size == 0:
            raise ValueError(f"a volume needs voxels [slice, row, column], got an array of shape {array.shape}")
        if array.dtype.kind not in "iufb":
            raise ValueError(f"a volume needs scalar numbers, got {array.dtype}")
        # Strided, big-endian and read-only arrays become plain ones here, once.
        object.__setattr__(self, "array", np.require(array, np.float32, ["C", "W", "A"]))
        if len(self.spacing) != 3 or not all(math.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(f"spacing must be three positive lengths in mm, got {self.spacing}")
        if len(self.origin) != 3 or not all(math.isfinite(o) for o in self.origin):
            raise ValueError(f"origin must be three finite lengths in mm, got {self.origin}")
        if len(self.direction) != 9:
            raise ValueError(f"direction must be nine numbers, got {len(self.direction)}")
        check_direction(self.direction)

    @property
    def grid(self) -> Grid:
        """Its voxel grid, centred on the isocentre; the patient's position does not enter the physics."""
        slices, rows, columns = self.array.shape
        x, y, z = self.spacing
        return Grid((slices, rows, columns), (z, y, x))

    def slices(self, start: int, stop: int) -> Volume:
        """Slices `start` to `stop` (not included), at their place in the patient.

        Raises:
            ValueError: an empty range or one outside the volume.
        """
        count = self.array.shape[0]
        if not 0 <= start < stop <= count:
            raise ValueError(f"slices {start}:{stop} do not lie within the volume's 0:{count}")
        step = start * self.spacing[2]
        x, y, z = (o + step * self.direction[3 * i + 2] for i, o in enumerate(self.origin))
        return replace(self, array=self.array[start:stop].copy(), origin=(x, y, z))

    def like(self, array: NDArray[Any]) -> Volume:
        """Another array at the same place.

        Raises:
            ValueError: the shape differs.
        """
        if array.shape != self.array.shape:
            raise ValueError(f"an array of shape {array.shape} does not lie on a volume of shape {self.array.shape}")
        return replace(self, array=array, notes=())


def read_volume(path: str | Path, assume_hu: bool = False) -> Volume:
    """Read a NIfTI, NRRD or MetaImage file, a DICOM folder, or the DICOM series that one file belongs to.

    Args:
        path: file or folder.
        assume_hu: take the values as HU even where they do not look like it.

    Raises:
        ValueError: not a scalar 3-D image in HU, or a header that does not fit its file; names the file.
        OSError: no such file.
    """
    path = Path(path)
    foreign = plugin(VOLUMES, header.image_suffix(path)) if os.path.isfile(path) else None
    if foreign is not None:
        read: Volume = foreign(path)
        return read
    pixels = _pixels(path, () if assume_hu else ("CT",))
    array, notes = to_hounsfield(pixels.array, path.name, assume_hu)
    return _volume(pixels, array, notes)


def read_intensities(path: str | Path, assume_hu: bool = False) -> Volume:
    """Read the same files as `read_volume` with values in whatever unit they have: MR, or CT.

    Args:
        path: file or folder.
        assume_hu: the values will be taken as HU, whatever the file says of them.

    Raises:
        ValueError: not a scalar 3-D image of finite values, a label map, a DICOM series of neither CT nor MR, or a
            header that does not fit its file; names the file.
        OSError: no such file.
    """
    path = Path(path)
    pixels = _pixels(path, () if assume_hu else ("CT", "MR"))
    if not assume_hu:
        refuse_label_map(pixels.array, path.name)
    array = np.array(pixels.array, dtype=np.float32, order="C")
    if not np.isfinite(array).all():
        raise ValueError(f"{path.name}: holds voxels that are not finite (NaN or infinite)")
    return _volume(pixels, array)


def _volume(pixels: Pixels, array: NDArray[np.float32], notes: tuple[str, ...] = ()) -> Volume:
    place = pixels.spacing, pixels.origin, pixels.direction
    return Volume(array, *place, pixels.notes + notes, pixels.body_part, pixels.modality)


def _pixels(path: Path, modalities: tuple[str, ...]) -> Pixels:
    # Not path.exists(), which fails for names that are too long.
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file or folder")
    if not path.is_dir() and not path.is_file():
        raise ValueError(f"{path.name}: neither a regular file nor a folder (a pipe, a device or the like)")
    if path.is_dir() or dicom.is_dicom(path):
        pixels = dicom.read_series(path, modalities)
    elif header.image_suffix(path) in READABLE:
        pixels = read_image(path)
    else:
        raise ValueError(f"{path.name}: not an image file this program reads ({', '.join(READABLE)} or DICOM)")
    try:
        return placed(pixels)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write a volume, compressed, under a temporary name first so that nothing half-written is ever seen.

    Raises:
        ValueError: a suffix other than .nrrd, .nii.gz, .nii or .mha.
        OSError: the folder cannot be written to.
    """
    path = Path(path)
    suffix = header.image_suffix(path)
    if suffix not in WRITABLE:
        raise ValueError(f"{path.name}: cannot write this format; use one of {', '.join(WRITABLE)}")
    image = toolkit().GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    hidden = path.with_name(f".writing-{uuid4().hex}{suffix}")
    try:
        toolkit().WriteImage(image, str(hidden), suffix != ".nii")
        os.replace(hidden, path)
    except RuntimeError as error:
        raise OSError(f"{path}: cannot be written: {one_line(error)}") from None
    finally:
        hidden.unlink(missing_ok=True)
