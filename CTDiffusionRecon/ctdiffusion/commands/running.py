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
    """The quality table of a finished job, the most telling number first; without a reference, its misfit alone."""
    magnetic = "rmse_permille" in (status.metrics or {})
    found = {**(status.metrics or {}), **_prefixed(status.misfit or {})}
    known = [name for name in MEANINGS if name in found]
    lines = []
    for name in [*known, *(name for name in found if name not in MEANINGS)]:
        value = found[name]
        shown = "undefined" if value is None or not math.isfinite(value) else f"{value:.4g}"
        text = MEANINGS.get(name, "")
        if magnetic:
            text = text.replace("2000 HU", "the robust maximum")
        lines.append(f"{name:<16} {shown:>10}  {text}".rstrip())
    return "\n".join(lines)


# name: what it means, in the order of interest.
MEANINGS = {
    "psnr": "dB, peak signal-to-noise ratio over the volume (data range 2000 HU): higher is better",
    "ssim": "structural similarity over the volume, 1 for equal images",
    "rmse_hu": "HU, root mean square error",
    "rmse_permille": "per mille of the robust maximum, root mean square error",
    "psnr_axial": "dB, mean over the axial slices",
    "psnr_coronal": "dB, mean over the coronal slices",
    "psnr_sagittal": "dB, mean over the sagittal slices",
    "ssim_axial": "mean over the axial slices",
    "ssim_coronal": "mean over the coronal slices",
    "ssim_sagittal": "mean over the sagittal slices",
    "misfit_chi2": "mean squared misfit in units of the noise, 1 where only noise is left",
    "misfit_relative": "misfit against the data, relative to them",
}


def _prefixed(misfit: dict[str, float | None]) -> dict[str, float | None]:
    return {f"misfit_{name}": value for name, value in misfit.items()}
