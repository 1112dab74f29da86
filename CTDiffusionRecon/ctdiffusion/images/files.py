"""NRRD, NIfTI and MetaImage files: the header is judged before the voxels are read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from . import header
from .itk import one_line, open_header, toolkit
from .memory import check_memory
from .pixels import Pixels

READABLE = (*header.NRRD_SUFFIXES, *header.NIFTI_SUFFIXES, *header.META_SUFFIXES)


def read_image(path: Path) -> Pixels:
    """Read a scalar image of at most three dimensions, header first.

    Raises:
        ValueError: not such an image, or a header that does not fit its file; names the file.
    """
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
        raise ValueError(f"{name}: {kind} image with {components} components a voxel, not a scalar image")
    if any(n > 1 for n in size[3:]):
        raise ValueError(f"{name}: a {len(size)}-D image ({' x '.join(map(str, size))}); take one volume out of it")
    keys = reader.GetMetaDataKeys()
    if any(key.startswith("Segment") and key.endswith("_ID") for key in keys):
        raise ValueError(f"{name}: a segmentation, not a scalar image")
    if "intent_code" in keys and reader.GetMetaData("intent_code") == "1002":
        raise ValueError(f"{name}: a NIfTI label map, not a scalar image")


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
    return Pixels(array[None], (*spacing, 1.0), (*origin, 0.0), flat, (note,), dimensions=2)
