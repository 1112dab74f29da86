"""The queue: order, progress, every way a child can end, cancel within two seconds, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from CTDiffusionReconLib.queue.eventreader import EventReader
from CTDiffusionReconLib.queue.jobs import JobQueue, ReconstructionJob
from CTDiffusionReconLib.queue.request import request_for
from fake_engine import FakeEngine, make_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
LIMIT_S = 2.0


@pytest.fixture
def queue():
    made = JobQueue(FakeEngine)
    yield made
    made.shutdown()


def job_in(folder: Path, **behaviour) -> ReconstructionJob:
    return ReconstructionJob(make_folder(folder, **behaviour), request_for())


def poll_until(queue: JobQueue, condition, timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        queue.poll(0.02)


def asleep(job: ReconstructionJob):
    return lambda: (job.folder / "asleep").exists()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_job_from_queued_to_done(queue, tmp_path):
    job = job_in(tmp_path / "job", steps=[["read", 1, 1], ["dds", 1, 4], ["dds", 4, 4], ["write", 0, 1]])
    seen = []
    job.addObserver(lambda j: seen.append((j.state, j.progress)))
    assert job.state == "queued"
    queue.submit(job)
    assert job.wait(15)
    assert (job.state, job.progress, job.error) == ("done", 1.0, None)
    assert [state for state in ("queued", "running", "done") if any(s == state for s, _ in seen)] == [
        "queued", "running", "done",
    ]  # fmt: skip
    progress = [value for _, value in seen]
    assert progress == sorted(progress)
    assert (job.metrics, job.seconds) == ({"psnr": 30.0}, 1.5)
    assert job.result_path is not None
    assert not job.cancel(), "a finished job cannot be cancelled"


def test_one_runs_at_a_time_in_order(queue, tmp_path):
    jobs = [queue.submit(job_in(tmp_path / str(number), sleep=0.3)) for number in range(3)]
    order = []
    for job in jobs:
        job.addObserver(lambda j: order.append((j.folder.name, j.state)))
    together = []
    while queue.active:
        queue.poll(0.02)
        together.append(sum(job.state == "running" for job in jobs))
    assert max(together) == 1
    assert [name for name, state in order if state == "done"] == ["0", "1", "2"]


def test_cancel_of_a_waiting_job_leaves_the_others(queue, tmp_path):
    first, second, third = (queue.submit(job_in(tmp_path / str(n), sleep=0.3)) for n in range(3))
    assert second.cancel()
    assert second.state == "cancelled"
    assert first.wait(10) and third.wait(10)
    assert (first.state, third.state) == ("done", "done")
    assert not (second.folder / "asleep").exists()


@pytest.mark.parametrize("behaviour", [{}, {"deaf": True}, {"deaf": True, "grandchild": True}, {"exec": True},
                                       {"exec": True, "deaf": True}])  # fmt: skip
def test_cancel_within_two_seconds_and_no_orphan(queue, tmp_path, behaviour):
    job = queue.submit(job_in(tmp_path / "job", sleep=60, **behaviour))
    poll_until(queue, asleep(job))
    queue.poll()
    family = [p.pid for p in psutil.Process(job.runner.pid).children(recursive=True)] + [job.runner.pid]
    since = time.monotonic()
    assert job.cancel() and job.cancel(), "asking twice is harmless"
    assert job.wait(LIMIT_S)
    assert time.monotonic() - since < LIMIT_S
    assert job.state == "cancelled"
    poll_until(queue, lambda: all(map(gone, family)), 1.0)
    assert json.loads((job.folder / "status.json").read_text())["state"] == "cancelled"
    assert not (job.folder / "cancel").exists()


def test_cancel_in_the_first_moment(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", sleep=60))
    since = time.monotonic()
    job.cancel()
    assert job.wait(LIMIT_S) and time.monotonic() - since < LIMIT_S
    assert job.state == "cancelled" and gone(job.runner.pid)


def test_a_worker_whose_launcher_was_killed_does_not_live_on(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", exec=True, sleep=60))
    poll_until(queue, asleep(job))
    poll_until(queue, lambda: job.worker_pid is not None)
    os.kill(job.runner.pid, signal.SIGKILL)
    assert job.wait(5)
    assert (job.state, job.error) == ("failed", "the engine killed, probably out of memory")
    poll_until(queue, lambda: gone(job.worker_pid), 1.0)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"error": "spec.views: 0 is not allowed"}, "spec.views: 0 is not allowed"),
        ({"kill": signal.SIGKILL}, "the engine killed, probably out of memory"),
        ({"kill": signal.SIGSEGV}, "the engine crashed (SIGSEGV)"),
        ({"result": False, "code": 7, "stderr": "Traceback\nImportError: no torch"},
         "the engine ended with exit code 7: ImportError: no torch"),
        ({"result": False, "code": 2, "stderr": "error: another process is running this job\nbye"},
         "another process is running this job"),
        ({"result": False}, "the engine ended normally"),
    ],
)  # fmt: skip
def test_every_failure_has_a_reason_in_one_line(queue, tmp_path, behaviour, error):
    job = queue.submit(job_in(tmp_path / "job", **behaviour))
    assert job.wait(10)
    assert (job.state, job.error) == ("failed", error)
    following = queue.submit(job_in(tmp_path / "next"))
    assert following.wait(10) and following.state == "done"


def test_a_crash_after_the_result_was_written_does_not_lose_it(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", code=-6 & 0xFF))
    assert job.wait(10)
    assert job.state == "done" and "after it had written the result" in job.warnings[0]


def test_an_engine_that_cannot_start(tmp_path):
    class Missing(FakeEngine):
        def worker(self, folder, resume=False):
            return ["/no/such/python", str(folder)]

    queue = JobQueue(Missing)
    job = queue.submit(job_in(tmp_path / "job"))
    queue.poll()
    assert job.state == "failed" and job.error.startswith("the engine cannot be started: ")
    assert "/no/such/python" in job.error


def test_half_lines_and_garbage_in_the_log(queue, tmp_path):
    garbage = [
        "not json\n",
        "[1, 2]\n",
        '{"event": "step", "phase": 3}\n',
        "\xff\xfe\x00\n",
        '{"event": "step"',
        "\n",
        '{"event": "warning", "text": "odd"}\n',
        '{"event": "step", "phase": "x", "step": NaN, "total": 1}\n',
        "[" * 100_000 + "\n",
    ]
    job = queue.submit(job_in(tmp_path / "job", garbage=garbage))
    assert job.wait(10)
    assert (job.state, job.phase, job.warnings) == ("done", "slow", ["odd"])


def test_a_flood_of_output_does_not_matter(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", flood=10))
    assert job.wait(30)
    assert job.state == "done" and "the last line" in job.log
    assert len(job.log) < 300_000


def test_a_folder_that_is_deleted_while_it_runs(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", sleep=1.0))
    poll_until(queue, asleep(job))
    shutil.rmtree(job.folder)
    assert job.wait(10)
    assert job.state == "failed"


def test_an_observer_that_fails_harms_nobody(queue, tmp_path):
    job = job_in(tmp_path / "job")
    seen = []

    def broken(_):
        raise RuntimeError("observer")

    job.addObserver(broken)
    tag = job.addObserver(lambda j: seen.append("removed"))
    job.addObserver(lambda j: seen.append(j.state))
    job.removeObserver(tag)
    queue.submit(job)
    assert job.wait(10)
    assert job.state == "done" and "done" in seen and "removed" not in seen


def test_waiting_inside_an_observer_is_refused(queue, tmp_path):
    job, caught = job_in(tmp_path / "job"), []

    def waits(j):
        if j.state == "running":
            with pytest.raises(RuntimeError, match="observer"):
                j.wait(1)
            caught.append(True)

    job.addObserver(waits)
    queue.submit(job)
    assert job.wait(10) and caught


def test_delivery_comes_before_done_and_its_failure_keeps_the_result(tmp_path):
    states = []

    def deliver(job):
        states.append(job.state)
        raise ValueError("the scene was closed")

    queue = JobQueue(FakeEngine, deliver=deliver)
    job = queue.submit(job_in(tmp_path / "job"))
    assert job.wait(10)
    assert (job.state, states, job.resultNode) == ("done", ["running"], None)
    assert "the scene was closed" in job.warnings[0] and str(job.folder) in job.warnings[0]


def test_shutdown_ends_everything_and_delivers_nothing(tmp_path):
    delivered = []
    queue = JobQueue(FakeEngine, deliver=delivered.append)
    running, waiting = (queue.submit(job_in(tmp_path / name, sleep=60, deaf=True)) for name in ("a", "b"))
    poll_until(queue, asleep(running))
    since = time.monotonic()
    queue.shutdown()
    assert time.monotonic() - since < LIMIT_S + 0.3
    assert (running.state, waiting.state, delivered) == ("cancelled", "cancelled", [])
    assert gone(running.runner.pid)
    with pytest.raises(RuntimeError, match="shut down"):
        queue.submit(job_in(tmp_path / "c"))


def test_paths_of_the_user_stay_out_of_the_log(queue, tmp_path):
    job = job_in(tmp_path / "job", error=f"cannot read {tmp_path}/Doe^John/ct.nrrd", stderr="")
    job.secrets = ((f"{tmp_path}/Doe^John/ct.nrrd", "<input>"), (str(tmp_path), "~"))
    queue.submit(job)
    assert job.wait(10)
    assert job.error == "cannot read <input>"
    assert "Doe" not in job.log and str(tmp_path) not in job.log


def test_long_paths_with_blanks_and_accents(queue, tmp_path):
    folder = tmp_path / "Ärzte & Söhne;$(x) 'q'" / ("long" * 40) / ("x" * 100)
    job = queue.submit(job_in(folder))
    assert len(str(folder)) > 260
    assert job.wait(10) and job.state == "done"


def test_the_reader_takes_only_what_is_new(tmp_path):
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    assert reader.read() == []
    path.write_bytes(b'{"a": 1}\n{"b"')
    assert reader.read() == [{"a": 1}]
    with open(path, "ab") as file:
        file.write(b": 2}\n")
    assert reader.read() == [{"b": 2}]
    assert EventReader(path, from_end=True).read() == []
    path.write_bytes(b'{"c": 3}\n')
    assert reader.read() == [{"c": 3}], "a log that starts anew is read from its beginning"
    with open(path, "ab") as file:
        file.write(b"x" * 3_000_000 + b'\n{"d": 4}\n')
    found = []
    for _ in range(10):
        found += reader.read()
    assert found == [{"d": 4}]
