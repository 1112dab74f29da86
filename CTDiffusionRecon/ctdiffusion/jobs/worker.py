"""Run one job folder, in this process: `python -m ctdiffusion.jobs.worker JOBFOLDER` (contracts C1 and C8)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..core.badinput import blames_input
from ..core.monitor import Cancelled
from .events import Event, EventLog, Listener
from .folder import JobFolder, JobStatus
from .lock import JobBusy, JobLock
from .stopping import INTERRUPTED, StopRequest, leave, watching


def run_job(
    folder: Path,
    resume: bool = False,
    listener: Listener | None = None,
    stop: StopRequest | None = None,
    save_s: float = 20.0,
    lock: JobLock | None = None,
) -> JobStatus:
    """Run the job in `folder` and return how it ended; whatever goes wrong with it ends up in the status.

    Args:
        folder: a job folder with `spec.json`.
        resume: go on where an interrupted run saved its state; a finished job is left as it is.
        listener: called with every event, in this thread.
        stop: request to stop; without it the job can still be cancelled by a file `cancel` in its folder.
        save_s: shortest time in s between two saved states.
        lock: the folder's lock where the caller holds it already, and goes on to hold it.

    Raises:
        JobBusy: another process runs this job.
        ValueError: not a job folder, a finished one that is not to be resumed, or a link among the job's files.
        OSError: the folder cannot be written to.
    """
    job = JobFolder(folder)
    stop = stop or StopRequest()
    if not job.spec.is_file():
        raise ValueError(f"{folder}: not a job folder (no spec.json)")
    job.check_files()
    if lock is not None:
        return _run(job, resume, listener, stop, None, save_s)
    lock = JobLock(folder)
    stale = lock.acquire()
    try:
        return _run(job, resume, listener, stop, stale, save_s)
    finally:
        lock.release()


def _run(
    job: JobFolder, resume: bool, listener: Listener | None, stop: StopRequest, stale: int | None, save_s: float
) -> JobStatus:
    before = job.read_status()
    if before.state == "done" and resume:
        if listener is not None:
            numbers = {"metrics": before.metrics, "misfit": before.misfit}
            listener({"time": round(time.time(), 3), "event": "result", "path": before.result, **numbers})
        return before
    if before.state == "done":
        raise ValueError(f"{job.path}: the job is already done")
    return _run_locked(job, resume, listener, stop, stale, save_s)


def _run_locked(
    job: JobFolder, resume: bool, listener: Listener | None, stop: StopRequest, stale: int | None, save_s: float
) -> JobStatus:
    job.remove_partial()
    job.cancel.unlink(missing_ok=True)
    if not resume:
        job.forget_run()
    job.write_status(JobStatus("running", pid=os.getpid()))
    log = EventLog(job.events, listener)
    log.emit("status", state="running", pid=os.getpid(), resumed=resume)
    if stale is not None:
        log.emit("warning", text=f"an earlier run (pid {stale}) ended without finishing")

    def end(status: JobStatus) -> JobStatus:
        job.discard_partial_result()
        with suppress(OSError):
            job.write_status(status)
        log.emit("status", state=status.state, error=status.error)
        return status

    def stopped(reason: str) -> JobStatus:
        return end(JobStatus(reason, error="interrupted from outside" if reason == INTERRUPTED else "cancelled"))

    def tidy(reason: str) -> None:
        stopped(reason)

    stop.on_exit.append(tidy)
    try:
        # torch takes seconds to import; the job can be cancelled meanwhile.
        from .run import execute

        status = execute(job, log, stop, resume, save_s=save_s)
    except Cancelled:
        stop.close()
        return stopped(stop.reason or INTERRUPTED)
    except Exception as error:
        stop.close()
        return end(_failed(error, bad_input=blames_input(error, job.path)))
    finally:
        stop.on_exit.remove(tidy)
    log.emit("status", state=status.state, error=None)
    return status


def _failed(error: Exception, bad_input: bool) -> JobStatus:
    text = one_line(error)
    if isinstance(error, MemoryError) and not str(error):
        text = "not enough memory; use fewer slices, or fewer views"
    elif not isinstance(error, (ValueError, OSError, RuntimeError, ArithmeticError, MemoryError)):
        text = f"{type(error).__name__}: {text}"
    return JobStatus("failed", error=text, bad_input=bad_input)


def one_line(error: BaseException) -> str:
    """An error as one line of at most 500 characters."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:500]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the worker; returns the exit code (0 done, 1 failure, 2 bad input, 130 stopped)."""
    parser = argparse.ArgumentParser("ctdiffusion.jobs.worker", description="Run one job folder.", allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="JOBFOLDER", help="folder with spec.json")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run saved its state")
    parser.add_argument("--watch-stdin", action="store_true", help="stop when standard input closes")
    parser.add_argument("--json", action="store_true", help="print every event as one JSON line")
    parser.add_argument("--save-every", type=float, default=20.0, metavar="S", help="seconds between saved states")
    args = parser.parse_args(arguments)
    stop = StopRequest()
    try:
        with watching(stop, args.folder / "cancel", args.watch_stdin):
            status = run_job(args.folder, args.resume, print_json if args.json else None, stop, args.save_every)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, JobBusy) or blames_input(error) else 1
    if status.error:
        print(f"error: {status.error}" if status.state == "failed" else status.error, file=sys.stderr)
    return status.exit_code


def print_json(event: Event) -> None:
    """One event as one JSON line of ASCII on standard output; a reader that has gone does not stop the job."""
    with suppress(OSError, ValueError):
        print(json.dumps(event), flush=True)


if __name__ == "__main__":
    leave(main())
