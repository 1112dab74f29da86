"""Small volumes, specifications and processes for the tests of jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ctdiffusion.images.volume import Volume, write_volume
from ctdiffusion.jobs.events import EventLog, read_events
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.reconstruction_spec import JobSpec

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "CTDiffusionRecon"


def phantom(slices: int = 4, size: int = 32) -> Volume:
    """A body with a bone and an air pocket, different in every slice, off the origin."""
    z, y, x = np.mgrid[:slices, :size, :size].astype(np.float32)
    half = size / 2
    hu = np.where(np.hypot(x - half, y - half + 1) < 0.4 * size, 40 + 10 * z, -1000.0)
    hu[np.hypot(x - half - 4, y - half + 3) < 3] = 700
    hu[np.hypot(x - half + 5, y - half - 2) < 2 + z / 2] = -800
    return Volume(hu.astype(np.float32), (2.0, 2.0, 3.0), (10.0, -20.0, 30.0))


def make_input(folder: Path, slices: int = 4) -> Path:
    """The phantom as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "input.nrrd"
    write_volume(phantom(slices), path)
    return path


def make_job(folder: Path, **changes: Any) -> JobFolder:
    """A queued job on the phantom, by FBP unless told otherwise."""
    values = {"input": str(make_input(folder.parent)), "method": "fbp", "geometry": "parallel", "views": 20}
    job = JobFolder(folder)
    job.create(JobSpec(**{**values, **changes}))
    return job


@contextmanager
def process(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A Python process with the package on its path; killed at the end if it still lives."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), **options.pop("env", {})}
    command = [sys.executable, *map(str, arguments)]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, **options)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def slow(kind: str, *arguments: object, hang: str = "", **options: Any) -> Any:
    """The worker or the command line with the slow method, in a process of its own."""
    hanging = ("--hang", hang) if hang else ()
    return process(HERE / "slow_method.py", *hanging, kind, *arguments, **options)


def wait_for(
    condition: Callable[[], bool], child: subprocess.Popen[str] | None = None, timeout_s: float = 40.0
) -> None:
    """Wait until a condition holds; fails when the process ends before, or at the time limit."""
    end = time.monotonic() + timeout_s
    while not condition():
        if child is not None and child.poll() is not None:
            if condition():
                return
            raise AssertionError(f"the process ended early ({child.returncode}): {child.communicate()}")
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def reached(job: JobFolder, phase: str, step: int = 0) -> Callable[[], bool]:
    """A condition: the job's log tells of `step` of `phase`."""

    def condition() -> bool:
        events = list(read_events(job.events))
        return any(e["event"] == "step" and e["phase"] == phase and e["step"] >= step for e in events)

    return condition


def saved(job: JobFolder, step: int) -> Callable[[], bool]:
    """A condition: the state after `step` steps has been saved."""
    return lambda: any(e["event"] == "saved" and e["step"] == step for e in read_events(job.events))


def result_of(job: JobFolder) -> np.ndarray:
    """The voxels of a finished job's result, just as they lie in the file."""
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(str(job.volume)))


def status_on_disk(job: JobFolder) -> dict[str, Any]:
    """`status.json` as it lies there."""
    return json.loads(job.status.read_text(encoding="utf-8"))


def leftovers(folder: Path) -> list[str]:
    """Names of temporary files anywhere under a folder."""
    marks = (".partial", ".writing", ".ctdiffusion")
    return [p.name for p in folder.rglob("*") if any(mark in p.name for mark in marks)]


def quiet_log(job: JobFolder) -> EventLog:
    """A job's log that nobody listens to."""
    return EventLog(job.events)
