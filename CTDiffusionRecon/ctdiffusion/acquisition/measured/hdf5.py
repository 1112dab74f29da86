"""Arrays from HDF5 files, without following a link out of the file and without believing what a header declares."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.regularfile import check_regular
from ...core.strictjson import shorten
from ...images.header import DEFLATE_LIMIT
from ...images.memory import check_memory
from .declared import Declared

MOST_LINKS = 16
# Objects that are looked at, and names that are listed, to say what a file holds.
MOST_SEEN, MOST_LISTED = 500, 8
# Attributes that change what an array's values mean.
_MEANING = ("units", "unit", "scale_factor", "add_offset")


class HDF5Arrays:
    """An open HDF5 file. Use as a context manager.

    Raises:
        ValueError: h5py is not installed, or the file is no regular file, truncated or corrupt.
    """

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError:
            raise ValueError(
                f"{path.name}: reading HDF5 needs h5py, which is not installed (pip install h5py)"
            ) from None
        self._h5py, self._path = h5py, path
        check_regular(path)
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
        where = f"{self._path.name}:{name}"
        dataset = self._find(name)
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

    def declared(self, name: str) -> Declared:
        """What the array called `name` says of its values.

        Raises:
            ValueError: it is missing, or an attribute of it cannot be understood.
        """
        attributes, where = self._find(name).attrs, f"{self._path.name}:{name}"
        found = {}
        try:
            for key in attributes:
                if str(key).lower() in _MEANING:
                    value = attributes[key]
                    found[key] = "" if isinstance(value, self._h5py.Empty) else value
        except (OSError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{where}: an attribute cannot be read: {error}") from None
        return Declared.of(found, where)

    def image_key(self, name: str) -> NDArray[Any] | None:
        """The array `image_key` beside the one called `name` (NXtomo: 0 projection, 1 flat, 2 dark, 3 invalid)."""
        beside = f"{name.rpartition('/')[0]}/image_key"
        return self.read(beside) if beside in self else None

    def _contents(self) -> tuple[list[str], bool]:
        """The names of arrays in the file itself, some of them where there are many, and whether it is an NXtomo."""
        names: list[str] = []
        nxtomo, waiting, seen = False, [("", self._file["/"])], 0
        while waiting and seen < MOST_SEEN:
            prefix, group = waiting.pop(0)
            for part in group:
                seen += 1
                if seen > MOST_SEEN:
                    break
                if not isinstance(group.get(part, getlink=True), self._h5py.HardLink):
                    continue
                try:
                    item = group[part]
                except (KeyError, OSError, RuntimeError):
                    continue
                nxtomo |= part == "image_key"
                if isinstance(item, self._h5py.Dataset):
                    names.append(f"{prefix}/{part}")
                elif isinstance(item, self._h5py.Group) and prefix.count("/") < MOST_LINKS:
                    waiting.append((f"{prefix}/{part}", item))
        return names, nxtomo

    def _missing(self) -> str:
        """Why an array is not there: another layout, or the names of those that are."""
        names, nxtomo = self._contents()
        if nxtomo:
            return (
                "not in the file, which is a NeXus NXtomo: its projections, flats and darks lie in one stack told "
                "apart by image_key. Not read; save them as /exchange/data, data_white, data_dark and theta"
            )
        listed = ", ".join(shorten(n) for n in names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "")
        return f"not in the file, which holds {listed or 'no arrays'}"

    def _find(self, name: str) -> Any:
        """Walk to an object link by link, so that no link is followed unseen."""
        place, rest, links = self._file["/"], [p for p in name.split("/") if p], 0
        where = f"{self._path.name}:{name}"
        while rest:
            part = rest.pop(0)
            if not isinstance(place, self._h5py.Group) or part == "..":
                raise ValueError(f"{where}: {self._missing()}")
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
                raise ValueError(f"{where}: {self._missing()}") from None
        return place
