"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".partial"


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; what was there stays intact on failure.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY}")
    try:
        with open_fresh(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def open_fresh(path: Path) -> BinaryIO:
    """A new, empty file, open for writing; whatever stood there is removed, never written through.

    Raises:
        OSError: it cannot be made.
    """
    discard(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.fdopen(os.open(path, flags, 0o666), "wb")


def discard(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if it is there; never what a link points at.

    Raises:
        OSError: a file or link cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def publish_folder(temporary: Path, final: Path) -> None:
    """Rename a finished folder to its final name, in place of an earlier one.

    Raises:
        OSError: the rename failed; an earlier folder is put back.
    """
    old = final.with_name(f"{final.name}.old{TEMPORARY}")
    discard(old)
    for path in temporary.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    if os.path.lexists(final):
        os.rename(final, old)
    try:
        os.rename(temporary, final)
    except OSError:
        if os.path.lexists(old):
            os.rename(old, final)
        raise
    discard(old)


def remove_partial(path: Path) -> None:
    """Remove what an interrupted writer of `path` left beside it, and put back what was about to be replaced."""
    old = path.with_name(f"{path.name}.old{TEMPORARY}")
    if old.exists() and not old.is_symlink() and not os.path.lexists(path):
        os.rename(old, path)
    for beside in (f"{path.name}{TEMPORARY}", f"{path.stem}{TEMPORARY}{path.suffix}"):
        discard(path.with_name(beside))
    discard(old)
