"""The files of a job folder (contract C1): specification, status, saved state, result."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import atomic
from .events import finite
from .files import check_file, check_folder, open_own, read_own_object
from .lock import JobLock, is_locked

if TYPE_CHECKING:
    # torch takes seconds to import; a job must be cancellable before that.
    from torch import Tensor

    from .spec import Specification

STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
EXIT_CODES = {"done": 0, "cancelled": 130, "interrupted": 130}


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands. `error` is one line; `bad_input` says that the input, not the engine, is to blame."""

    state: str
    error: str | None = None
    bad_input: bool = False
    phase: str | None = None
    step: int = 0
    total: int = 0
    eta_s: float | None = None
    preview: str | None = None
    result: str | None = None
    metrics: dict[str, float | None] | None = None
    misfit: dict[str, float | None] | None = None
    pid: int | None = None
    updated: float = 0.0

    @property
    def exit_code(self) -> int:
        """Exit code of a process that ran this job: 0 done, 1 failure, 2 bad input, 130 stopped."""
        return EXIT_CODES.get(self.state, 2 if self.bad_input else 1)


class JobFolder:
    """Paths and atomic writes of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "spec.json"
        self.status = path / "status.json"
        self.events = path / "events.jsonl"
        self.preview = path / "preview.png"
        self.cancel = path / "cancel"
        self.state = path / "state.safetensors"
        self.provenance = path / "provenance.json"
        self.result = path / "result"
        self.result_partial = path / f"result{atomic.TEMPORARY}"
        self.volume = self.result / "reconstruction.nrrd"

    def read_spec(self) -> Specification:
        """The specification, of whatever task.

        Raises:
            ValueError, OSError: it is not there or not valid; the text names the field.
        """
        from .tasks import read_specification

        if not self.spec.is_file():
            raise ValueError(f"{self.path}: not a job folder (no spec.json)")
        return read_specification(self.spec_values())

    def spec_values(self) -> dict[str, Any]:
        """What `spec.json` holds.

        Raises:
            ValueError, OSError: it is no JSON object, or cannot be read.
        """
        return read_own_object(self.spec)

    def check_files(self) -> None:
        """Refuse a folder with something else in the place of a job's file or folder: a link, a pipe, a device.

        Raises:
            ValueError: names it.
        """
        for path in (self.spec, self.status, self.preview, self.cancel, self.state, self.provenance):
            check_file(path)
        for path in (self.events, self.path / JobLock.NAME):
            check_file(path, in_place=True)
        check_folder(self.result)

    def claim(self) -> JobLock:
        """Make the folder, for its owner alone, and take its lock before anything of a job is written there.

        Raises:
            ValueError: the folder holds a finished job, or files that are not a job's.
            JobBusy: another process has claimed it, or runs its job.
            OSError: it cannot be made; no folder that was made for it stays.
        """
        made = missing_folders(self.path)
        lock = JobLock(self.path)
        try:
            self._refuse_others()
            while True:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                # Between these two another process may end its job and remove the folder.
                with suppress(FileNotFoundError):
                    lock.acquire()
                    break
            self._refuse_others()
        except BaseException:
            lock.release(remove=bool(made))
            remove_empty(made)
            raise
        return lock

    def create(self, spec: Specification) -> None:
        """Write a specification, queued, for whoever runs the job later. An unfinished job that stood there is
        forgotten.

        Raises:
            ValueError, JobBusy, OSError: see `claim`.
        """
        lock = self.claim()
        try:
            self.begin(spec)
        finally:
            lock.release()

    def begin(self, spec: Specification) -> None:
        """Write a specification, queued, into a folder that has been claimed.

        Raises:
            OSError: it cannot be written.
        """
        self.forget_run()
        self.events.unlink(missing_ok=True)
        atomic.write_bytes(self.spec, to_json(spec.to_dict()))
        self.write_status(JobStatus("queued"))

    def _refuse_others(self) -> None:
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise ValueError(f"{self.path}: a file, or a link to nothing, is in the way of the job folder")
        self.check_files()
        unfinished = {JobLock.NAME, f"{self.spec.name}{atomic.TEMPORARY}"}
        if not self.spec.is_file() and self.path.is_dir() and {p.name for p in self.path.iterdir()} - unfinished:
            raise ValueError(f"{self.path}: the folder is not empty and holds no job; choose another")
        if self.spec.exists() and self.read_status().state == "done":
            raise ValueError(f"{self.path}: already holds a job that is done; choose another folder")

    def write_status(self, status: JobStatus) -> None:
        """Replace `status.json` in one step."""
        atomic.write_bytes(self.status, to_json({**asdict(status), "updated": round(time.time(), 3)}))

    def read_status(self) -> JobStatus:
        """Where the job stands now; a running one whose process is gone is `interrupted`."""
        known = {item.name for item in fields(JobStatus)}
        try:
            values = {k: v for k, v in read_own_object(self.status).items() if k in known}
            status = JobStatus(**values)
        except (OSError, ValueError, TypeError):
            status = JobStatus("queued" if not self.events.exists() else "running")
        if status.state not in STATES:
            status = JobStatus("running")
        if status.state == "running" and not is_locked(self.path):
            values = {**asdict(status), "state": "interrupted", "error": "the engine ended without finishing"}
            return JobStatus(**values)
        return status

    def save_state(self, step: int, tensors: dict[str, Tensor], digest: str) -> None:
        """Write the state after `step` steps of the job with `digest` (see `JobMonitor.digest`).

        Raises:
            OSError: it cannot be written; an earlier state stays.
        """
        from .saved_state import state_bytes

        atomic.write_bytes(self.state, state_bytes(step, tensors, digest))

    def load_state(self, digest: str) -> tuple[int, dict[str, Tensor]] | None:
        """The saved state of the job with `digest`, or None.

        Raises:
            ValueError: the file is damaged, or was saved with another specification, input or prior.
        """
        from .saved_state import read_state

        try:
            with open_own(self.state, "rb") as file:
                return read_state(file, digest)
        except FileNotFoundError:
            return None
        except OSError:
            raise ValueError("the saved state is damaged") from None

    def forget_run(self) -> None:
        """Remove what an unfinished run left, but not a result."""
        for path in (self.state, self.preview, self.cancel):
            path.unlink(missing_ok=True)
        self.remove_partial()

    def remove_partial(self) -> None:
        """Remove half-written files, and put back a result that was about to be replaced."""
        for path in (self.spec, self.status, self.preview, self.state, self.provenance, self.result):
            atomic.remove_partial(path)

    def remove(self) -> None:
        """Remove the job, but for the lock that its remover holds."""
        self.forget_run()
        for path in (self.spec, self.status, self.events, self.provenance, self.result):
            atomic.discard(path)

    def discard_partial_result(self) -> None:
        """Remove a half-written result."""
        atomic.discard(self.result_partial)


def missing_folders(path: Path) -> list[Path]:
    """Those of a folder and its parents that do not exist, outermost first.

    Raises:
        OSError: a name that no folder can have.
    """
    missing: list[Path] = []
    for folder in (path, *path.parents):
        try:
            os.lstat(folder)
        except (FileNotFoundError, NotADirectoryError):
            missing.insert(0, folder)
        else:
            break
    return missing


def remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made in vain, innermost first, as far as nothing lies in them."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def to_json(values: dict[str, Any]) -> bytes:
    """Readable strict JSON."""
    return (json.dumps(finite(values), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")
