"""The queue of reconstructions: one runs at a time, the others wait; cancel, shutdown, and how each ended."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from ctdiffusion.jobs.files import open_own
from ctdiffusion.jobs.folder import JobFolder, JobStatus
from ctdiffusion.jobs.lock import is_locked

from ..engine.engine import Engine
from ..engine.processtree import descendants, kill_tree
from ..engine.runner import Runner, SubprocessRunner, describe_exit
from .eventreader import EventReader
from .job import CANCELLED, DONE, FAILED, QUEUED, RUNNING, ReconstructionJob

__all__ = ["JobQueue", "ReconstructionJob"]

# After a request to stop: standard input closes, the system is asked, everything is killed. The engine itself needs
# at most 1.2 s; altogether two seconds are allowed.
CLOSE_S, TERMINATE_S, KILL_S = 1.3, 1.4, 1.6
POLL_S = 0.05


class JobQueue:
    """Runs jobs one after the other. Nothing happens but in `poll`, which a timer or `wait` calls.

    Args:
        engine: tells the engine to use; asked when a job starts, so that changed settings count.
        runner: makes the runner of one child.
        deliver: called with a job whose result is on disk, before it counts as done.
        idle: called again and again while `wait` waits, to keep a window alive.

    Attributes:
        jobs: all of them, in the order in which they came.
        submitted: called when a job has come in, by whoever it was: from then on there is something to follow.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        runner: Callable[[], Runner] = SubprocessRunner,
        deliver: Callable[[ReconstructionJob], None] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> None:
        self.jobs: list[ReconstructionJob] = []
        self.submitted: Callable[[], None] | None = None
        self._engine = engine
        self._make_runner = runner
        self._deliver = deliver
        self._idle = idle
        self._reader: EventReader | None = None
        self._ours: int | None = None
        self._polling = False
        self._closed = False

    @property
    def running(self) -> ReconstructionJob | None:
        """The job that runs now."""
        return next((job for job in self.jobs if job.state == RUNNING), None)

    @property
    def waiting(self) -> list[ReconstructionJob]:
        """The jobs that wait, in their order."""
        return [job for job in self.jobs if job.state == QUEUED]

    @property
    def active(self) -> bool:
        """Whether a job runs or waits."""
        return any(not job.finished for job in self.jobs)

    def submit(self, job: ReconstructionJob) -> ReconstructionJob:
        """Add a job at the end of the queue and start it if it is its turn.

        Raises:
            RuntimeError: the queue has been shut down.
        """
        if self._closed:
            raise RuntimeError("the queue has been shut down")
        job.queue = self
        self.jobs.append(job)
        job.notify()
        self.poll()
        if self.submitted is not None:
            self.submitted()
        return job

    def poll(self, timeout_s: float = 0.0) -> None:
        """Take in what happened, end what has ended, start what is next; waits at most so long for something."""
        if self._polling:
            return
        self._polling = True
        try:
            job = self.running
            if job is None and not self._closed:
                job = self._start_next()
            if job is not None:
                self._follow(job, timeout_s)
                if job.finished and not self._closed:
                    self._start_next()
        finally:
            self._polling = False

    def wait(self, job: ReconstructionJob, timeout: float | None = None) -> bool:
        """Poll until a job has ended; see `ReconstructionJob.wait`."""
        if self._polling:
            raise RuntimeError("a job cannot be waited for from within an observer")
        end = None if timeout is None else time.monotonic() + timeout
        while not job.finished:
            if end is not None and time.monotonic() >= end:
                return False
            self.poll(POLL_S)
            if self._idle is not None:
                self._idle()
        return True

    def cancel(self, job: ReconstructionJob) -> bool:
        """Stop a job; see `ReconstructionJob.cancel`."""
        if job.finished:
            return False
        if job.state == QUEUED:
            self._end(job, CANCELLED)
        elif job.stopping_since is None:
            job.stopping_since = time.monotonic()
            job.note("cancelling")
            self._leave_cancel_file(job)
            job.notify()
        return True

    def cancel_all(self) -> None:
        """Stop every job."""
        for job in [*self.waiting, *filter(None, [self.running])]:
            self.cancel(job)

    def shutdown(self) -> None:
        """Stop everything, and wait for its end: at most two seconds. No result is delivered any more."""
        self._closed = True
        self.cancel_all()
        job = self.running
        if job is None:
            return
        # From within an observer the poll above us is still busy with this job; then only the child is ended.
        end = time.monotonic() + KILL_S + 0.2
        while not job.finished and not self._polling and time.monotonic() < end:
            self.poll(POLL_S)
        if not job.finished and job.runner is not None:
            job.runner.kill_tree()
            job.runner.pump(0.2)
            self._kill_survivor(job)

    def _start_next(self) -> ReconstructionJob | None:
        while waiting := self.waiting:
            job = waiting[0]
            runner = self._make_runner()
            try:
                engine = self._engine()
                self._reader, self._ours = EventReader(job.folder / "events.jsonl", from_end=job.resume), None
                runner.start(engine.worker(job.folder, job.resume), engine.environment(), engine.package)
            except (OSError, ValueError) as error:
                job.error = f"the engine cannot be started: {error}"
                self._end(job, FAILED)
                continue
            job.runner = runner
            job.state = RUNNING
            job.note("started")
            job.notify()
            return job
        return None

    def _follow(self, job: ReconstructionJob, timeout_s: float) -> None:
        runner = job.runner
        assert runner is not None
        runner.pump(timeout_s)
        ended = not runner.is_running
        self._take_events(job, everything=ended)
        if ended:
            self._conclude(job)
        elif job.stopping_since is not None:
            self._press(job, runner, time.monotonic() - job.stopping_since)

    def _take_events(self, job: ReconstructionJob, everything: bool) -> None:
        assert self._reader is not None
        news = False
        while events := self._reader.read():
            news = True
            for event in events:
                job.take(event)
                self._own_worker(job)
            if not everything:
                break
        if news:
            job.notify()

    def _own_worker(self, job: ReconstructionJob) -> None:
        """Forget a worker that another program runs in this folder; a launcher's child is ours as well."""
        runner = job.runner
        if job.worker_pid is None or runner is None or runner.pid is None or job.worker_pid == self._ours:
            return
        ours = job.worker_pid == runner.pid or job.worker_pid in descendants(runner.pid)
        job.worker_pid = self._ours = job.worker_pid if ours else None

    def _press(self, job: ReconstructionJob, runner: Runner, seconds: float) -> None:
        # An engine that has just started removes a cancel file that it finds, so it is put there again.
        self._leave_cancel_file(job)
        if seconds > CLOSE_S:
            runner.ask_to_stop()
        if seconds > TERMINATE_S:
            runner.terminate()
        if seconds > KILL_S:
            runner.kill_tree()
            self._kill_survivor(job)

    def _conclude(self, job: ReconstructionJob) -> None:
        assert job.runner is not None
        self._kill_survivor(job)
        folder = JobFolder(job.folder)
        status = folder.read_status()
        code = job.runner.exit_code
        if job.stopping_since is not None:
            if status.state == "done":
                job.warn(f"the result had just been written; it stays in {job.folder}")
            else:
                self._tidy(folder, JobStatus("cancelled", error="cancelled"))
            self._end(job, CANCELLED)
        elif status.state == "done":
            if code != 0:
                job.warn(f"the engine {describe_exit(code)} after it had written the result")
            job.metrics, job.misfit = status.metrics, status.misfit
            self._hand_over(job)
            job.progress = 1.0
            self._end(job, DONE)
        else:
            job.error = job.told(self._why(job, status))
            if status.state == "interrupted":
                self._tidy(folder, JobStatus("interrupted", error=job.error))
            self._end(job, FAILED)

    def _why(self, job: ReconstructionJob, status: JobStatus) -> str:
        """The engine's own words first; else how it ended, with the last thing that it said."""
        assert job.runner is not None
        if status.state == "failed" and status.error:
            return status.error
        printed = [line.strip() for line in job.runner.stderr.text().splitlines() if line.strip()]
        said = next((line for line in reversed(printed) if line.startswith("error: ")), None)
        if said is not None:
            return said[len("error: ") :][:500]
        how = f"the engine {describe_exit(job.runner.exit_code)}"
        return f"{how}: {printed[-1][:300]}" if printed else how

    def _hand_over(self, job: ReconstructionJob) -> None:
        if self._deliver is None or self._closed:
            return
        try:
            self._deliver(job)
        except Exception as error:
            logging.exception("CTDiffusionRecon: the result of %s could not be loaded", job.name)
            job.resultNode = None
            job.warn(f"the result could not be loaded ({error}); it stays in {job.folder}")

    def _kill_survivor(self, job: ReconstructionJob) -> None:
        """End an engine whose launcher is gone. Its lock proves that the number still means the engine."""
        if job.worker_pid is not None and job.worker_pid != os.getpid() and is_locked(job.folder):
            with suppress(OSError):
                os.kill(job.worker_pid, signal.SIGTERM)
            kill_tree(job.worker_pid)
            time.sleep(POLL_S)

    def _leave_cancel_file(self, job: ReconstructionJob) -> None:
        with suppress(OSError, ValueError):
            open_own(JobFolder(job.folder).cancel, "ab").close()

    def _tidy(self, folder: JobFolder, status: JobStatus) -> None:
        with suppress(OSError):
            folder.remove_partial()
            folder.cancel.unlink(missing_ok=True)
            folder.write_status(status)

    def _end(self, job: ReconstructionJob, state: str) -> None:
        job.state = state
        job.note(state if job.error is None else f"{state}: {job.error}")
        job.notify()
