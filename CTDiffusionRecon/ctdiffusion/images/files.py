"""NRRD, NIfTI and MetaImage files: the header is judged before the voxels are read."""

from __future__ import annotations

from pathlib import Path

from . import header
from .metaimage import read_meta
from .nifti import read_nifti
from .nrrd import read_nrrd
from .pixels import Pixels

READABLE = (*header.NRRD_SUFFIXES, *header.NIFTI_SUFFIXES, *header.META_SUFFIXES)


def read_image(path: Path) -> Pixels:
    """Read a scalar image of at most three dimensions, header first.

    Raises:
        ValueError: not such an image, or a header that does not fit its file; names the file.
        OSError: the file cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"{path.name}: not a regular file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path.name}: the file is empty")
    suffix = header.image_suffix(path)
    if suffix in header.NIFTI_SUFFIXES:
        return read_nifti(path)
    return read_nrrd(path) if suffix in header.NRRD_SUFFIXES else read_meta(path)
