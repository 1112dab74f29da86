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

from .geometry import Grid
from .images import dicom, header
from .images.hounsfield import to_hounsfield
from .images.itk import one_line, open_header, toolkit
from .images.memory import check_memory
from .images.pixels import IDENTITY, Direction, Pixels, check_direction

WRITABLE = (".nrrd", ".nii.gz", ".nii", ".mha")
READABLE = (*header.NRRD_SUFFIXES, *header.NIFTI_SUFFIXES, *header.META_SUFFIXES)


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT volume.

    Attributes:
        array: float32 HU, `[slice, row, column]`, C-contiguous.
        spacing: voxel size in mm, (x, y, z) = (column, row, slice).
        origin: centre of voxel (0, 0, 0) in mm, LPS.
        direction: row-major 3x3 matrix whose columns are the directions of the x, y and z index axes in LPS.
        notes: what was found or changed when it was read (padding clipped, metal, thickness assumed).
    """

    array: NDArray[np.float32]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: Direction = IDENTITY
    notes: tuple[str, ...] = ()

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
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir() or dicom.is_dicom(path):
        pixels = dicom.read_series(path, assume_hu)
    elif header.image_suffix(path) in READABLE:
        pixels = _read_image(path)
    else:
        raise ValueError(f"{path.name}: not an image file this program reads ({', '.join(READABLE)} or DICOM)")
    try:
        check_direction(pixels.direction)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    array, notes = to_hounsfield(pixels.array, path.name, assume_hu)
    return Volume(array, pixels.spacing, pixels.origin, pixels.direction, pixels.notes + notes)


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


def _read_image(path: Path) -> Pixels:
    if path.stat().st_size == 0:
        raise ValueError(f"{path.name}: the file is empty")
    header.data_file(path)
    reader = open_header(path)
    _check_kind(reader, path.name)
    size = reader.GetSize()
    voxels = math.prod(size)
    pixel_bytes = toolkit().Image([1] * len(size), reader.GetPixelID()).GetSizeOfPixelComponent()
    what = f"an image of {' x '.join(map(str, size))} voxels"
    # The stored voxels, their float32 copy and one working copy.
    check_memory(voxels * (pixel_bytes + 8), path.name, what)
    header.check_size(path, voxels * pixel_bytes)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise ValueError(f"{path.name}: cannot be read: {one_line(error)}") from None
    return _as_pixels(image)


def _check_kind(reader: Any, name: str) -> None:
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    if math.prod(size) == 0:
        raise ValueError(f"{name}: the image is empty ({' x '.join(map(str, size))} voxels)")
    if components != 1:
        kind = {3: "an RGB or vector", 4: "an RGBA or vector"}.get(components, "a vector")
        raise ValueError(f"{name}: {kind} image with {components} components a voxel, not a CT volume")
    if any(n > 1 for n in size[3:]):
        raise ValueError(f"{name}: a {len(size)}-D image ({' x '.join(map(str, size))}); take one volume out of it")
    keys = reader.GetMetaDataKeys()
    if any(key.startswith("Segment") and key.endswith("_ID") for key in keys):
        raise ValueError(f"{name}: a segmentation, not a CT volume")
    if "intent_code" in keys and reader.GetMetaData("intent_code") == "1002":
        raise ValueError(f"{name}: a NIfTI label map, not a CT volume")


def _as_pixels(image: Any) -> Pixels:
    if image.GetDimension() > 3:
        size = list(image.GetSize())
        image = toolkit().Extract(image, size[:3] + [0] * (len(size) - 3), [0] * len(size))
    array = toolkit().GetArrayFromImage(image)
    spacing, origin, direction = image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    if image.GetDimension() == 3:
        return Pixels(array, spacing, origin, direction)
    a, b, c, d = direction
    # A mirrored 2-D frame stays as it is; the third axis completes it.
    flat = (a, b, 0.0, c, d, 0.0, 0.0, 0.0, 1.0)
    note = "a 2-D image, taken as one slice of 1 mm"
    return Pixels(array[None], (*spacing, 1.0), (*origin, 0.0), flat, (note,))
