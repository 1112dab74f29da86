"""The files that a job keeps in its folder, opened without following links: whoever can write there plants none."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any

from ..core.strictjson import MAX_FILE_BYTES, parse_bytes

_LINK = "a symbolic link; the files of a job are never links"
_KINDS = {stat.S_IFLNK: _LINK, stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def check_file(path: Path, in_place: bool = False) -> None:
    """Refuse what is neither missing nor a regular file.

    Args:
        path: a file of a job.
        in_place: the file will be written to as it is, so it must have no second name elsewhere.

    Raises:
        ValueError: it is a link, a folder, a pipe, a device file or a socket, or has a second name.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    _check(path, found, in_place)


def check_folder(path: Path) -> None:
    """Refuse what is neither missing nor a folder.

    Raises:
        ValueError: it is a link or a file.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        raise ValueError(f"{path}: {_LINK if stat.S_ISLNK(mode) else 'a file'}, where a job has a folder")


def open_own(path: Path, mode: str) -> IO[bytes]:
    """One of a job's files, open in a binary mode of Python's `open` that does not empty it; never through a link.

    Raises:
        ValueError: see `check_file`.
        OSError: it cannot be opened.
    """
    in_place = mode != "rb"
    if not hasattr(os, "O_NOFOLLOW"):
        check_file(path, in_place)

    def opener(name: str, flags: int) -> int:
        # Opening a pipe would wait for its other end.
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)

    try:
        file: IO[bytes] = open(path, mode, opener=opener)  # noqa: SIM115 - the caller's
    except OSError as error:
        # A link (BSD: EMLINK), or a pipe that nobody reads.
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            check_file(path)
        raise
    try:
        _check(path, os.fstat(file.fileno()), in_place)
    except ValueError:
        file.close()
        raise
    return file


def read_own(path: Path, limit: int) -> bytes:
    """All bytes of one of a job's files, at most `limit`.

    Raises:
        ValueError: see `check_file`, or it is larger.
        OSError: it cannot be read.
    """
    with open_own(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: larger than {limit} bytes")
    return content


def read_own_object(path: Path) -> dict[str, Any]:
    """The JSON object in one of a job's files.

    Raises:
        ValueError: see `check_file` and `strictjson.read_object`.
        OSError: it cannot be read.
    """
    return parse_bytes(read_own(path, MAX_FILE_BYTES), path)


def _check(path: Path, found: os.stat_result, in_place: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a device file")
        raise ValueError(f"{path}: {kind}" if kind is _LINK else f"{path}: {kind}, not a regular file")
    if in_place and found.st_nlink > 1:
        raise ValueError(f"{path}: has a second name (a hard link), and writing would change that file too")
