"""The lock of a job folder: one worker at a time, released by the system when its process dies."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from .files import open_own

# The locked byte lies far behind the text, because Windows refuses to read a locked region.
_LOCKED_BYTE = 1 << 30
_LARGEST_PID = 2**31


class JobBusy(OSError):
    """Another process is running this job."""


class JobLock:
    """An advisory lock on a file, `lock` in a job folder.

    The system ties it to the process, not to the file's existence: a dead worker's lock is free at once, whatever the
    clock or a reused process number say. The pid and start time in the file are for people.
    """

    NAME = "lock"

    def __init__(self, folder: Path, name: str = NAME, what: str = "is running this job") -> None:
        self.path = folder / name
        self._what = what
        self._file: IO[bytes] | None = None

    def acquire(self, patience_s: float = 0.5) -> int | None:
        """Take the lock.

        Returns:
            the pid of a previous worker that died holding it, or None.

        Raises:
            JobBusy: another process holds it.
            ValueError: the file is a link or no regular file.
            OSError: the file cannot be written.
        """
        file = self._locked(patience_s)
        stale = _pid(file)
        try:
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "started": time.time()}).encode())
            file.flush()
        except OSError:
            file.close()
            raise
        self._file = file
        return stale

    def release(self, remove: bool = False) -> None:
        """Give the lock back, and with `remove` leave no file; harmless where it is not held."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.truncate(0)
            # While it is still locked: afterwards the file may be somebody else's. Windows removes no open file.
            if remove and sys.platform != "win32":
                self.path.unlink(missing_ok=True)
        finally:
            file.close()
        if remove and sys.platform == "win32":
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _locked(self, patience_s: float) -> IO[bytes]:
        give_up = time.monotonic() + patience_s
        while True:
            file = open_own(self.path, "a+b")
            if _try_lock(file):
                if _is_at(file, self.path):
                    return file
                # Its last holder has removed it meanwhile.
            elif time.monotonic() > give_up:
                holder = _pid(file)
                file.close()
                place = self.path.parent if self.path.name == self.NAME else self.path
                raise JobBusy(f"{place}: another process (pid {holder}) {self._what}")
            file.close()
            time.sleep(0.02)


def is_locked(folder: Path) -> bool:
    """True while a living process runs the job in `folder`."""
    try:
        with open_own(folder / JobLock.NAME, "r+b") as file:
            return not _try_lock(file)
    except (OSError, ValueError):
        return False


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def _pid(file: IO[bytes]) -> int | None:
    """Who has written the file last, for people."""
    file.seek(0)
    try:
        values: Any = json.loads(file.read(4096).decode())
    except (ValueError, RecursionError):
        return None
    pid = values.get("pid") if isinstance(values, dict) else None
    return pid if isinstance(pid, int) and 0 < pid < _LARGEST_PID else None


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
