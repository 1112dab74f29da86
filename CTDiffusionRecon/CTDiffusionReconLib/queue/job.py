"""One reconstruction as its user sees it: state, progress, log, numbers, result."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from ctdiffusion.jobs.files import read_own_object
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.spec import Specification

from .eventreader import Event
from .progress import overall
from .request import kind_of

if TYPE_CHECKING:
    from ..engine.runner import Runner
    from .jobs import JobQueue

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
FINISHED = (DONE, FAILED, CANCELLED)
LOG_LINES = 400
MOST_WARNINGS = 50

Observer = Callable[["ReconstructionJob"], None]


class ReconstructionJob:
    """A reconstruction that was asked for.

    Attributes:
        folder: its job folder.
        request: what was asked for: its specification.
        name: what a user calls it.
        state: queued, running, done, failed or cancelled.
        progress: 0 to 1; never goes back.
        phase, step, total, eta_s: what the engine last reported; `eta_s` is of this phase and may be None.
        preview_path: picture of the middle slice as it is now, or None.
        warnings: what a user should know about the result.
        error: why it failed, in one line.
        metrics, misfit: numbers of a finished job (None where undefined or without a reference).
        kind: volume or projections.
        source: path of the input where it is a file.
        secrets, words: what must not be told, and what a user knows by another word; each with its replacement.
    """

    def __init__(self, folder: Path, request: Specification, name: str = "", resume: bool = False) -> None:
        self.folder = folder
        self.request = request
        self.name = name or request.label
        self.resume = resume
        self.state = QUEUED
        self.progress = 0.0
        self.phase: str | None = None
        self.step = 0
        self.total = 0
        self.eta_s: float | None = None
        self.preview_path: Path | None = None
        self.preview_count = 0
        self.warnings: list[str] = []
        self.error: str | None = None
        self.device: str | None = None
        self.metrics: dict[str, float | None] | None = None
        self.misfit: dict[str, float | None] | None = None
        self._result: Any = None
        self.kind = kind_of(request)
        self.source: str | Path | None = None
        self.worker_pid: int | None = None
        self.stopping_since: float | None = None
        self.secrets: Sequence[tuple[str, str]] = ()
        self.words: Sequence[tuple[str, str]] = ()
        self.runner: Runner | None = None
        self.queue: JobQueue | None = None
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._observers: dict[int, Observer] = {}
        self._next_tag = 1

    @property
    def resultNode(self) -> Any:
        """The volume node of a finished job, or None: before, without a scene, and once it was removed from it."""
        return None if self._result is None else self._result.Get()

    @resultNode.setter
    def resultNode(self, node: Any) -> None:
        from ..scene.inputs import weakly

        self._result = None if node is None else weakly(node)

    @property
    def finished(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in FINISHED

    @property
    def log(self) -> str:
        """The last lines of what happened and of what the engine printed, without the user's own paths."""
        text = "\n".join(self._lines)
        if self.runner is not None:
            printed = "\n".join(part for part in (self.runner.stdout.text(), self.runner.stderr.text()) if part.strip())
            text = f"{text}\n{printed}" if printed else text
        return self.redacted(text)

    @property
    def result_path(self) -> Path | None:
        """The result's file, once there is one."""
        path = JobFolder(self.folder).volume
        return path if path.is_file() else None

    @property
    def seconds(self) -> float | None:
        """Time of the method alone, of a finished job."""
        value = self.provenance.get("method_seconds")
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def provenance(self) -> dict[str, Any]:
        """The engine's record of a finished job; empty before."""
        try:
            return read_own_object(JobFolder(self.folder).provenance)
        except (OSError, ValueError):
            return {}

    def cancel(self) -> bool:
        """Ask it to stop; returns false where it has ended already. It ends within two seconds while events run."""
        return self.queue is not None and self.queue.cancel(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most `timeout` seconds; returns whether it has.

        Raises:
            RuntimeError: called from an observer.
        """
        if self.queue is None:
            return self.finished
        return self.queue.wait(self, timeout)

    def addObserver(self, callback: Observer) -> int:
        """Have `callback(job)` called at every change; returns a tag for `removeObserver`."""
        tag = self._next_tag
        self._next_tag += 1
        self._observers[tag] = callback
        return tag

    def removeObserver(self, tag: int) -> None:
        """No longer call that observer."""
        self._observers.pop(tag, None)

    def notify(self) -> None:
        """Tell every observer; what one of them does wrong harms neither the job nor the others."""
        for callback in list(self._observers.values()):
            try:
                callback(self)
            except Exception:
                logging.exception("CTDiffusionRecon: an observer of %s failed", self.name)

    def note(self, text: str) -> None:
        """Add a line to the log."""
        self._lines.append(f"{time.strftime('%H:%M:%S')} {text}")

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(text)
        self.note(f"warning: {text}")

    def redacted(self, text: str) -> str:
        """The text without what must not leave this machine."""
        for secret, stand_in in self.secrets:
            text = text.replace(secret, stand_in)
        return text

    def told(self, text: str) -> str:
        """What the engine says, redacted, in the user's words."""
        text = self.redacted(text)
        for word, known in self.words:
            text = text.replace(word, known)
        return text

    def take(self, event: Event) -> None:
        """Take in one event of the engine; values of the wrong kind are passed over."""
        kind = event.get("event")
        if kind == "step":
            self._take_step(event)
        elif kind == "warning":
            self.warn(self.told(str(event.get("text", ""))[:1000]))
        elif kind == "device":
            self.device = f"{event.get('device')} ({event.get('reason')})"
            self.note(f"device {self.device}")
        elif kind == "status":
            if _whole(event.get("pid")):
                self.worker_pid = event["pid"]
            self.note(f"engine {event.get('state')}")
        elif kind in ("saved", "resumed"):
            self.note(f"{kind} step {event.get('step')}")

    def _take_step(self, event: Event) -> None:
        phase, step, total = event.get("phase"), event.get("step"), event.get("total")
        if not (isinstance(phase, str) and _whole(step) and _whole(total)):
            return
        if phase != self.phase:
            self.note(phase)
        self.phase, self.step, self.total = phase, step, total
        eta = event.get("eta_s")
        self.eta_s = float(eta) if isinstance(eta, (int, float)) and not isinstance(eta, bool) else None
        self.progress = max(self.progress, overall(phase, step, total))
        if isinstance(event.get("preview"), str):
            path = JobFolder(self.folder).preview
            if path.is_file():
                self.preview_path = path
                self.preview_count += 1


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
