"""Arrays by name out of NPZ, HDF5 and image files."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.regularfile import check_regular, open_regular
from ...images import header
from ...images.files import read_image
from ...images.memory import check_memory
from .declared import Declared
from .hdf5 import HDF5Arrays
from .suffixes import HDF5_SUFFIXES

TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
READABLE = (*HDF5_SUFFIXES, ".npz", *header.NRRD_SUFFIXES, *header.META_SUFFIXES)


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The arrays called `names` in a file; an image file holds one array, whatever it is called.

    Raises:
        ValueError: another kind of file, no regular file, an array that is missing or no numbers, or a file that lies
            about its size.
    """
    check_readable(path)
    suffix = header.image_suffix(path)
    if suffix in HDF5_SUFFIXES:
        with HDF5Arrays(path) as file:
            return {name: file.read(name) for name in names}
    if suffix == ".npz":
        return {name: _read_npz(path, name) for name in names}
    return _read_one(path, tuple(names))


def check_readable(path: Path) -> None:
    """Refuse a kind of file that holds no projections this program reads.

    Raises:
        ValueError: the text says what to do instead where that is known.
    """
    suffix = header.image_suffix(path)
    if suffix in READABLE:
        return
    if suffix in TIFF_SUFFIXES:
        raise ValueError(
            f"{path.name}: TIFF images of projections are not read; save the stack, its flats and darks as arrays of "
            "an NPZ or HDF5 file, with a geometry file (docs/measured-projections.md)"
        )
    raise ValueError(f"{path.name}: not a file of projections this program reads ({', '.join(READABLE)})")


def read_declared(path: Path, names: Iterable[str]) -> dict[str, Declared]:
    """What the arrays called `names` say of their own values; only HDF5 files have a place for that.

    Raises:
        ValueError: an attribute that cannot be understood, or an NXtomo stack whose flats lie among the projections.
    """
    names = list(names)
    if header.image_suffix(path) not in HDF5_SUFFIXES:
        return {name: Declared() for name in names}
    with HDF5Arrays(path) as file:
        for name in names:
            key = file.image_key(name)
            if key is not None and np.any(key != 0):
                raise ValueError(
                    f"{path.name}:{name}: an NXtomo stack, some of whose frames are flats, darks or invalid by the "
                    "array image_key beside it; save its projections, flats and darks as arrays of their own"
                )
        return {name: file.declared(name) for name in names}


def _read_one(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    if len(names) > 1:
        raise ValueError(f"{path.name}: an image file holds one array, not {', '.join(sorted(names))}; list the angles")
    check_regular(path)
    image = read_image(path)
    return {names[0]: image.array[0] if image.dimensions == 2 else image.array}


def _read_npz(path: Path, name: str) -> NDArray[Any]:
    """One array of an NPZ; its own header is compared with the archive's before anything is allocated."""
    where = f"{path.name}:{name}"
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _read_member(archive, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise ValueError(f"{where}: cannot be read (truncated or corrupt): {error}") from None
    except RuntimeError as error:
        # zipfile says so of encrypted members.
        raise ValueError(f"{where}: cannot be read: {error}") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    entries = {info.filename: info for info in archive.infolist()}
    if f"{name}.npy" not in entries:
        there = ", ".join(sorted(n.removesuffix(".npy") for n in entries)) or "nothing"
        raise ValueError(f"not in the file, which holds {there}")
    entry = entries[f"{name}.npy"]
    check_memory(3 * entry.file_size, name, "the array")
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    if dtype.kind not in "iuf":
        raise ValueError(f"not an array of numbers but of {dtype}")
    if math.prod(shape) * dtype.itemsize > entry.file_size:
        raise ValueError("its header declares more values than it holds")
    with archive.open(entry) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
