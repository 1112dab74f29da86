"""Files that a person or another file names, opened only if they are regular files, and read only up to a bound.

A pipe would wait for ever, a device file would never end, and `Path.stat` followed by `open` may meet two files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device file",
    stat.S_IFBLK: "a device file",
    stat.S_IFSOCK: "a socket",
}
# What the name is at fault for, not the computer.
_NAMES = {errno.ENAMETOOLONG: "the name is too long", errno.ELOOP: "links that go round in circles"}
# One read never asks for more than this at once, so that a file that lies about its size costs what it holds.
_CHUNK = 1 << 20


def open_regular(path: str | Path, limit_bytes: int | None = None) -> BinaryIO:
    """A regular file, open for reading bytes; symbolic links are followed.

    Args:
        path: the file.
        limit_bytes: the largest size allowed; any where None.

    Raises:
        ValueError: a folder, pipe, socket or device file, a file of more than `limit_bytes`, or a name that no file
            can have; one line that names the path.
        OSError: the file is missing or cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    # Opening a pipe waits for its writer, and a terminal could become this process's own, without these two.
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    _check_kind(path)
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(_refusal(path, found.st_mode))
        if limit_bytes is not None and found.st_size > limit_bytes:
            raise ValueError(f"{path}: {found.st_size:,} bytes, more than the {limit_bytes:,} allowed")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, limit: int) -> bytes:
    """All bytes of a regular file of at most `limit` bytes, also where it grows while it is read.

    Raises:
        ValueError, OSError: as `open_regular`.
    """
    parts, size = [], 0
    with open_regular(path, limit) as file:
        while chunk := file.read(min(_CHUNK, limit + 1 - size)):
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise ValueError(f"{path}: more than the {limit:,} bytes allowed")
    return b"".join(parts)


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a regular file, hexadecimal.

    Raises:
        ValueError, OSError: as `open_regular`.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def check_regular(path: str | Path, limit_bytes: int | None = None) -> None:
    """Refuse what `open_regular` refuses, before a library opens a file by its name.

    Raises:
        ValueError, OSError: as `open_regular`.
    """
    open_regular(path, limit_bytes).close()


def _check_kind(path: str | Path) -> None:
    """Opening a device file can already do something (rewind a tape), and a socket cannot be opened: look first."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno not in _NAMES:
            raise
        raise ValueError(f"{str(path)[:60]!a}...: {_NAMES[error.errno]}") from None
    except ValueError:
        raise ValueError(f"{str(path)!a}: no file can have this name (null character, or not text)") from None
    if not stat.S_ISREG(mode):
        raise ValueError(_refusal(path, mode))


def _refusal(path: str | Path, mode: int) -> str:
    return f"{path}: {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"
