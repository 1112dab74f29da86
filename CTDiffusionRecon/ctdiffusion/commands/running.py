"""Run a job folder in this process, with progress for whoever is watching."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

from ..jobs.folder import JobFolder, JobStatus
from ..jobs.lock import JobLock
from ..jobs.stopping import StopRequest, watching
from ..jobs.worker import print_json, run_job
from .progress import Progress


def run_here(
    folder: Path,
    resume: bool = False,
    as_json: bool = False,
    on_exit: Callable[[str], None] | None = None,
    lock: JobLock | None = None,
) -> JobStatus:
    """Run a job, print its progress and, at the end, its numbers or what stopped it.

    `on_exit` is called with the reason where the process has to be ended hard; `lock` is the folder's where the caller
    holds it.

    Raises:
        ValueError, OSError: see `worker.run_job`.
    """
    stop = StopRequest()
    if on_exit is not None:
        stop.on_exit.append(on_exit)
    progress = Progress(sys.stderr)
    with watching(stop, JobFolder(folder).cancel):
        status = run_job(folder, resume, print_json if as_json else progress.show, stop, lock=lock)
    progress.clear()
    if status.state == "done":
        if not as_json:
            print(numbers(status))
    elif status.state == "failed":
        print(f"error: {status.error}", file=sys.stderr)
    else:
        print(status.error, file=sys.stderr)
    return status


def numbers(status: JobStatus) -> str:
    """The quality table of a finished job; without a reference, its data misfit alone."""
    units = _UNITS if "rmse_permille" not in (status.metrics or {}) else _MR_UNITS
    lines = []
    for name, value in {**(status.metrics or {}), **_prefixed(status.misfit or {})}.items():
        shown = "undefined" if value is None or not math.isfinite(value) else f"{value:.4g}"
        lines.append(f"{name:<16} {shown:>10}  {units.get(name.split('_')[0], '')}".rstrip())
    return "\n".join(lines)


_UNITS = {"psnr": "dB (data range 2000 HU)", "rmse": "HU"}
_MR_UNITS = {"psnr": "dB (data range: robust maximum)", "rmse": "per mille of the robust maximum"}


def _prefixed(misfit: dict[str, float | None]) -> dict[str, float | None]:
    return {f"misfit_{name}": value for name, value in misfit.items()}
