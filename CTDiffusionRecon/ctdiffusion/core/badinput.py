"""Whether an error blames what somebody gave, a value or a name, or the machine and its disks: exit code 2 or 1."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# What the system says of a name that leads to nothing, to something of another kind, to where nobody may look, or that
# no file can have.
_OF_A_NAME = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.ENXIO,
    errno.ENODEV,
)


def blames_input(error: BaseException, own: Path | None = None) -> bool:
    """Whether a value or a name that was given is to blame.

    Args:
        error: what was raised.
        own: a folder whose files nobody named, such as that of the running job.
    """
    if not isinstance(error, OSError):
        return isinstance(error, ValueError)
    if error.filename is None or error.errno is None:
        # Raised by ourselves, in words.
        return isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))
    if own is not None and _lies_in(error.filename, own):
        return False
    return error.errno in _OF_A_NAME


def _lies_in(name: object, folder: Path) -> bool:
    if not isinstance(name, (str, bytes)):
        return False
    path, root = os.path.abspath(os.fsdecode(name)), os.path.abspath(folder)
    return path == root or path.startswith(root + os.sep)
