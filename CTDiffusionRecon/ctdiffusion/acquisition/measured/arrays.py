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

from ...images import header
from ...images.files import read_image
from ...images.memory import check_memory
from .hdf5 import HDF5Arrays
from .suffixes import HDF5_SUFFIXES


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The arrays called `names` in a file; an image file holds one array, whatever it is called.

    Raises:
        ValueError: another kind of file, an array that is missing or no numbers, or a file that lies about its size.
    """
    suffix = header.image_suffix(path)
    if suffix in HDF5_SUFFIXES:
        with HDF5Arrays(path) as file:
            return {name: file.read(name) for name in names}
    if suffix == ".npz":
        return {name: _read_npz(path, name) for name in names}
    if suffix in header.NRRD_SUFFIXES + header.META_SUFFIXES:
        return _read_one(path, tuple(names))
    known = ", ".join((*HDF5_SUFFIXES, ".npz", *header.NRRD_SUFFIXES, *header.META_SUFFIXES))
    raise ValueError(f"{path.name}: not a file of projections this program reads ({known})")


def _read_one(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    if len(names) > 1:
        raise ValueError(f"{path.name}: an image file holds one array, not {', '.join(sorted(names))}; list the angles")
    image = read_image(path)
    return {names[0]: image.array[0] if image.dimensions == 2 else image.array}


def _read_npz(path: Path, name: str) -> NDArray[Any]:
    """One array of an NPZ; its own header is compared with the archive's before anything is allocated."""
    where = f"{path.name}:{name}"
    try:
        with zipfile.ZipFile(path) as archive:
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
