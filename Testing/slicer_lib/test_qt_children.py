"""Children by Qt."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest
from fake_engine import FakeEngine, make_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def queue(session):
    from CTDiffusionReconLib.engine.qprocessrunner import QProcessRunner
    from CTDiffusionReconLib.queue.jobs import JobQueue

    made = JobQueue(FakeEngine, QProcessRunner)
    yield made
    made.shutdown()


def job_in(folder, **behaviour):
    from CTDiffusionReconLib.queue.job import ReconstructionJob
    from CTDiffusionReconLib.queue.request import request_for

    return ReconstructionJob(make_folder(folder, **behaviour), request_for())


@pytest.mark.parametrize(
    ("behaviour", "state", "error"),
    [
        ({}, "done", None),
        ({"kill": signal.SIGKILL}, "failed", "the engine killed, probably out of memory"),
        ({"kill": signal.SIGSEGV}, "failed", "the engine crashed (SIGSEGV)"),
        ({"result": False, "code": 7, "stderr": "no torch"}, "failed", "the engine ended with exit code 7: no torch"),
    ],
)
def test_how_children_of_qt_end(queue, tmp_path, behaviour, state, error):
    job = queue.submit(job_in(tmp_path / "Ärzte & Söhne", **behaviour))
    assert job.wait(15)
    assert (job.state, job.error) == (state, error)


def test_a_flood_by_way_of_qt(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", flood=20))
    assert job.wait(40)
    assert job.state == "done" and "the last line" in job.log and job.runner.stdout.total > 20_000_000


@pytest.mark.parametrize("behaviour", [{}, {"deaf": True, "grandchild": True}, {"exec": True, "deaf": True}])
def test_cancel_by_way_of_qt(queue, tmp_path, behaviour):
    job = queue.submit(job_in(tmp_path / "job", sleep=60, **behaviour))
    end = time.monotonic() + 15
    while not (job.folder / "asleep").exists():
        queue.poll(0.02)
        assert time.monotonic() < end
    queue.poll()
    family = [p.pid for p in psutil.Process(job.runner.pid).children(recursive=True)] + [job.runner.pid]
    since = time.monotonic()
    job.cancel()
    assert job.wait(3) and time.monotonic() - since < 2.0
    assert job.state == "cancelled"
    end = time.monotonic() + 1
    while any(psutil.pid_exists(p) and psutil.Process(p).status() != "zombie" for p in family):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_qt_cannot_start(session, tmp_path):
    from CTDiffusionReconLib.engine.qprocessrunner import QProcessRunner

    runner = QProcessRunner()
    with pytest.raises(OSError, match="/no/such/program"):
        runner.start(["/no/such/program"], dict(os.environ), tmp_path)
    assert not runner.is_running and runner.exit_code is None
