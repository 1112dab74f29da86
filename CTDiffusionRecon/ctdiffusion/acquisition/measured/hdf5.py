"""Arrays from HDF5 files, without following a link out of the file and without believing what a header declares."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...images.header import DEFLATE_LIMIT
from ...images.memory import check_memory

MOST_LINKS = 16


class HDF5Arrays:
    """An open HDF5 file. Use as a context manager.

    Raises:
        ValueError: h5py is not installed, or the file is truncated or corrupt.
    """

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError:
            raise ValueError(
                f"{path.name}: reading HDF5 needs h5py, which is not installed (pip install h5py)"
            ) from None
        self._h5py, self._path = h5py, path
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise ValueError(f"{path.name}: not a readable HDF5 file (truncated or corrupt): {error}") from None

    def __enter__(self) -> HDF5Arrays:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        try:
            self._find(name)
        except ValueError:
            return False
        return True

    def read(self, name: str) -> NDArray[Any]:
        """The array called `name`.

        Raises:
            ValueError: it is missing, is no array of numbers, lies in another file, cannot be held in memory or cannot
                be decoded.
        """
        dataset = self._find(name)
        where = f"{self._path.name}:{name}"
        if not isinstance(dataset, self._h5py.Dataset):
            raise ValueError(f"{where}: a group, not an array")
        if dataset.is_virtual or dataset.external:
            raise ValueError(f"{where}: its values lie in other files; not followed")
        if dataset.dtype.kind not in "iuf":
            raise ValueError(f"{where}: not an array of numbers but of {dataset.dtype}")
        if dataset.shape is None:
            raise ValueError(f"{where}: an empty dataset")
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        check_memory(3 * declared, where, f"an array of {' x '.join(map(str, dataset.shape))}")
        there = self._path.stat().st_size
        if declared > DEFLATE_LIMIT * there:
            raise ValueError(f"{where}: {declared:,} bytes declared in a file of {there:,}: corrupt")
        try:
            return np.asarray(dataset[()])
        except (OSError, KeyError) as error:
            raise ValueError(f"{where}: cannot be read (truncated or corrupt): {error}") from None

    def _find(self, name: str) -> Any:
        """Walk to an object link by link, so that no link is followed unseen."""
        place, rest, links = self._file["/"], [p for p in name.split("/") if p], 0
        where = f"{self._path.name}:{name}"
        while rest:
            part = rest.pop(0)
            if not isinstance(place, self._h5py.Group) or part == "..":
                raise ValueError(f"{where}: not in the file")
            link = place.get(part, getlink=True)
            if isinstance(link, self._h5py.ExternalLink):
                raise ValueError(f"{where}: a link to another file ({link.filename}); not followed")
            if isinstance(link, self._h5py.SoftLink):
                links += 1
                if links > MOST_LINKS:
                    raise ValueError(f"{where}: links that go round in circles")
                rest = [p for p in link.path.split("/") if p] + rest
                if link.path.startswith("/"):
                    place = self._file["/"]
                continue
            try:
                place = place[part]
            except (KeyError, OSError, RuntimeError):
                raise ValueError(f"{where}: not in the file") from None
        return place
