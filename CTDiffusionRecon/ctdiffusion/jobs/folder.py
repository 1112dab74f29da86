"""The files of a job folder (contract C1): specification, status, saved state, result."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import atomic
from ..core.strictjson import read_object
from .events import finite
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
        return read_specification(read_object(self.spec))

    def create(self, spec: Specification) -> None:
        """Make the folder and write the specification, queued. An unfinished job that stood there is forgotten.

        Raises:
            ValueError: the folder holds a finished or running job, or files that are not a job's.
            OSError: it cannot be written.
        """
        if not self.spec.is_file() and self.path.is_dir() and any(self.path.iterdir()):
            raise ValueError(f"{self.path}: the folder is not empty and holds no job; choose another")
        if self.spec.exists() and (state := self.read_status().state) in ("done", "running"):
            raise ValueError(f"{self.path}: already holds a job that is {state}; choose another folder")
        self.path.mkdir(parents=True, exist_ok=True)
        self.forget_run()
        self.events.unlink(missing_ok=True)
        atomic.write_bytes(self.spec, to_json(spec.to_dict()))
        self.write_status(JobStatus("queued"))

    def write_status(self, status: JobStatus) -> None:
        """Replace `status.json` in one step."""
        atomic.write_bytes(self.status, to_json({**asdict(status), "updated": round(time.time(), 3)}))

    def read_status(self) -> JobStatus:
        """Where the job stands now; a running one whose process is gone is `interrupted`."""
        known = {item.name for item in fields(JobStatus)}
        try:
            values = {k: v for k, v in read_object(self.status).items() if k in known}
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
        from safetensors.torch import save

        on_cpu = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
        atomic.write_bytes(self.state, save(on_cpu, metadata={"step": str(step), "job": digest}))

    def load_state(self, digest: str) -> tuple[int, dict[str, Tensor]] | None:
        """The saved state of the job with `digest`, or None.

        Raises:
            ValueError: the file is damaged, or was saved with another specification, input or prior.
        """
        if not self.state.exists():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self.state), framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            step = int(metadata["step"])
        except (SafetensorError, KeyError, ValueError, OSError):
            raise ValueError("the saved state is damaged") from None
        if metadata.get("job") != digest:
            raise ValueError("the saved state belongs to another specification, input or prior")
        return step, tensors

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
        """Remove the job, and the folder where nothing else is in it."""
        self.forget_run()
        for path in (self.spec, self.status, self.events, self.provenance, self.path / JobLock.NAME):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.result, ignore_errors=True)
        with suppress(OSError):
            self.path.rmdir()

    def discard_partial_result(self) -> None:
        """Remove a half-written result."""
        shutil.rmtree(self.result_partial, ignore_errors=True)


def to_json(values: dict[str, Any]) -> bytes:
    """Readable strict JSON."""
    return (json.dumps(finite(values), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")
