"""The monitor of a running job: events, status, preview, cancel, saved states and timings."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from ..core import atomic
from ..core.monitor import Cancelled, Monitor
from ..core.units import AttenuationScale
from ..images.itk import toolkit
from .events import EventLog
from .folder import JobFolder, JobStatus
from .stopping import CANCELLED, StopRequest

PARTS = ("network", "projector", "io")


class JobMonitor(Monitor):
    """Writes progress to a job folder and stops the job on request.

    Args:
        folder: the job folder.
        log: where events go.
        stop: the request that `step` and `timed` obey.
        specification: digest of the specification; saved states belong to it and to the `sources`.
        resume: whether `saved_state` may return an earlier run's state.
        report_s: shortest time in s between two step events of one phase.
        preview_s: shortest time in s between two previews.
        save_s: shortest time in s between two saved states.
    """

    def __init__(
        self,
        folder: JobFolder,
        log: EventLog,
        stop: StopRequest,
        specification: str,
        *,
        resume: bool = False,
        report_s: float = 0.2,
        preview_s: float = 2.0,
        save_s: float = 20.0,
    ) -> None:
        self.folder = folder
        self.log = log
        self.stop = stop
        self.specification = specification
        # Hashes of what the job reads: the input's values and the prior's weights.
        self.sources: dict[str, str] = {}
        self.scale = AttenuationScale()
        self.warnings: list[str] = []
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.started = time.monotonic()
        self._resume = resume
        self._report_s, self._preview_s, self._save_s = report_s, preview_s, save_s
        self._phase: tuple[str, int, float] | None = None
        self._reported = self._previewed = 0.0
        self._saved = time.monotonic()
        self._running: list[tuple[str, float]] = []
        self._preview: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the specification and the sources, by which a saved state is known to belong to this job."""
        return sha256(json.dumps([self.specification, self.sources], sort_keys=True).encode()).hexdigest()

    def step(self, phase: str, step: int, total: int, image: Tensor | None = None) -> None:
        self.check()
        now = time.monotonic()
        fresh = self._phase is None or self._phase[0] != phase
        if self._phase is None or fresh:
            self._phase = (phase, step, now)
        if not (fresh or step >= total or now - self._reported >= self._report_s):
            return
        self._reported = now
        _, first, since = self._phase
        eta = (now - since) / (step - first) * (total - step) if step > first else None
        if image is not None and now - self._previewed >= self._preview_s:
            self._write_preview(image)
        self.log.emit("step", phase=phase, step=step, total=total, eta_s=_rounded(eta), preview=self._preview)
        status = JobStatus(
            "running", phase=phase, step=step, total=total, eta_s=_rounded(eta), preview=self._preview, pid=os.getpid()
        )
        # A disk that is full now may have room again when the result is written.
        with suppress(OSError):
            self.folder.write_status(status)

    def check(self) -> None:
        """Raise where the job is to stop.

        Raises:
            Cancelled: it is.
        """
        if self.stop.reason is None and self.folder.cancel.exists():
            self.stop.ask(CANCELLED)
        if self.stop.reason is not None:
            raise Cancelled(self.stop.reason)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self.log.emit("warning", text=text)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Account the block to `part`, an inner block's time to the inner part alone; also a point to stop at."""
        self.check()
        now = time.perf_counter()
        if self._running:
            outer, since = self._running[-1]
            self.seconds[outer] = self.seconds.get(outer, 0.0) + now - since
        self._running.append((part, now))
        try:
            yield
        finally:
            now = time.perf_counter()
            _, since = self._running.pop()
            self.seconds[part] = self.seconds.get(part, 0.0) + now - since
            if self._running:
                self._running[-1] = (self._running[-1][0], now)
        self.check()

    def timings(self) -> dict[str, float]:
        """Seconds by part, with `other` and `total`."""
        total = time.monotonic() - self.started
        parts = {name: round(value, 3) for name, value in self.seconds.items()}
        return {**parts, "other": round(max(total - sum(self.seconds.values()), 0.0), 3), "total": round(total, 3)}

    def save_state(self, step: int, tensors: dict[str, Tensor]) -> None:
        self.check()
        now = time.monotonic()
        if now - self._saved < self._save_s:
            return
        self._saved = now
        # The last good state is worth more than a later one with NaN in it.
        if not all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point()):
            self.warn(f"step {step}: the state is not finite and was not saved")
            return
        try:
            with self.timed("io"):
                self.folder.save_state(step, tensors, self.digest)
        except OSError as error:
            self.warn(f"the state after step {step} could not be saved: {error.strerror or error}")
        else:
            self.log.emit("saved", step=step)

    def saved_state(self) -> tuple[int, dict[str, Tensor]] | None:
        if not self._resume:
            return None
        try:
            state = self.folder.load_state(self.digest)
        except ValueError as error:
            self.warn(f"{error}; starting from the beginning")
            return None
        if state is not None:
            self.log.emit("resumed", step=state[0])
        return state

    def _write_preview(self, image: Tensor) -> None:
        self._previewed = time.monotonic()
        middle = self.scale.to_hu(image[image.shape[0] // 2].detach().to("cpu", torch.float32))
        try:
            write_preview(middle, self.folder.preview)
            self._preview = self.folder.preview.name
        except (OSError, RuntimeError) as error:
            self.log.emit("warning", text=f"no preview: {error}")


def write_preview(hu: Tensor, path: Path, window: tuple[float, float] = (-1000.0, 1000.0)) -> None:
    """Write one slice `[row, column]` in HU as an 8-bit PNG, in one step."""
    itk = toolkit()
    grey = (hu.nan_to_num(window[0]) - window[0]) / (window[1] - window[0])
    temporary = path.with_name(f"{path.stem}{atomic.TEMPORARY}{path.suffix}")
    atomic.discard(temporary)
    itk.WriteImage(itk.GetImageFromArray((grey.clamp(0, 1) * 255).to(torch.uint8).numpy()), str(temporary))
    temporary.replace(path)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
