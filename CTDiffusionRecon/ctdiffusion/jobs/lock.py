"""The lock of a job folder: one worker at a time, released by the system when its process dies."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

# The locked byte lies far behind the text, because Windows refuses to read a locked region.
_LOCKED_BYTE = 1 << 30


class JobBusy(OSError):
    """Another process is running this job."""


class JobLock:
    """An advisory lock on the file `lock`.

    The system ties it to the process, not to the file's existence: a dead worker's lock is free at once, whatever the
    clock or a reused process number say. The pid and start time in the file are for people.
    """

    NAME = "lock"

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.NAME
        self._file: IO[bytes] | None = None

    def acquire(self, patience_s: float = 0.5) -> int | None:
        """Take the lock.

        Returns:
            the pid of a previous worker that died holding it, or None.

        Raises:
            JobBusy: another process holds it.
            OSError: the file cannot be written.
        """
        file = open(self.path, "a+b")  # noqa: SIM115 - held until release
        give_up = time.monotonic() + patience_s
        while not _try_lock(file):
            if time.monotonic() > give_up:
                holder = _read(file).get("pid")
                file.close()
                raise JobBusy(f"{self.path.parent}: another process (pid {holder}) is running this job")
            time.sleep(0.02)
        stale = _read(file).get("pid")
        try:
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "started": time.time()}).encode())
            file.flush()
        except OSError:
            file.close()
            raise
        self._file = file
        return stale if isinstance(stale, int) else None

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if self._file is None:
            return
        try:
            self._file.truncate(0)
        finally:
            self._file.close()
            self._file = None


def is_locked(folder: Path) -> bool:
    """True while a living process runs the job in `folder`."""
    try:
        with open(folder / "lock", "r+b") as file:
            return not _try_lock(file)
    except OSError:
        return False


def _read(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    try:
        values = json.loads(file.read(4096).decode())
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
