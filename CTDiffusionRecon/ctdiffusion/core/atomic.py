"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

TEMPORARY = ".partial"


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; what was there stays intact on failure.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def publish_folder(temporary: Path, final: Path) -> None:
    """Rename a finished folder to its final name, in place of an earlier one.

    Raises:
        OSError: the rename failed; an earlier folder is put back.
    """
    old = final.with_name(f"{final.name}.old{TEMPORARY}")
    shutil.rmtree(old, ignore_errors=True)
    for path in temporary.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    if final.exists():
        os.rename(final, old)
    try:
        os.rename(temporary, final)
    except OSError:
        if old.exists():
            os.rename(old, final)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_partial(path: Path) -> None:
    """Remove what an interrupted writer of `path` left beside it, and put back what was about to be replaced."""
    old = path.with_name(f"{path.name}.old{TEMPORARY}")
    if old.exists() and not path.exists():
        os.rename(old, path)
    beside = (f"{path.name}{TEMPORARY}", f"{path.stem}{TEMPORARY}{path.suffix}")
    for left in (old, *map(path.with_name, beside)):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
