"""The engine is killed while it reads, steps or writes; what is left is honest, and resuming gives the same bits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import slow_method  # noqa: F401 - registers the method "slow"
from ctdiffusion.jobs.worker import run_job
from job_helpers import leftovers, make_job, process, reached, result_of, saved, slow, status_on_disk, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]
STEPS = {"steps": 8}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("unbroken") / "job", method="slow", parameters=STEPS, seed=3)
    run_job(job.path)
    return result_of(job)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(("hang", "phase", "step"), [("read", "read", 0), ("step", "slow", 3), ("write", "write", 0)])
def test_killed_then_resumed(tmp_path, unbroken, number, hang, phase, step):
    job = make_job(tmp_path / "job", method="slow", parameters=STEPS, seed=3)
    with slow("worker", job.path, "--save-every", "0", hang=hang) as child:
        wait_for(saved(job, step) if step else reached(job, phase), child)
        assert job.read_status().state == "running"
        if hang == "write":
            wait_for(lambda: job.result_partial.is_dir() and any(job.result_partial.iterdir()), child)
        child.send_signal(number)
        child.wait(timeout=10)
    assert child.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert job.read_status().state == "interrupted"
    assert not job.result.exists()
    if number == signal.SIGTERM:
        assert status_on_disk(job)["state"] == "interrupted"
        assert leftovers(job.path) == []

    events = []
    assert run_job(job.path, resume=True, listener=events.append).state == "done"
    resumed = [e["step"] for e in events if e["event"] == "resumed"]
    assert resumed == {"read": [], "step": [3], "write": [8]}[hang]
    assert np.array_equal(result_of(job), unbroken)
    assert leftovers(job.path) == []


def test_a_torn_log_and_a_torn_temporary_do_not_hinder(tmp_path, unbroken):
    """A power cut loses what was not synchronised: half lines, half temporary files, an old status."""
    job = make_job(tmp_path / "job", method="slow", parameters=STEPS, seed=3)
    job.events.write_text('{"time": 1.0, "event": "status", "state": "running"}\n{"time": 2.0, "eve')
    (job.path / "status.json.partial").write_text('{"sta')
    (job.path / "state.safetensors.partial").write_bytes(b"\x10")
    job.result_partial.mkdir()
    (job.result_partial / "reconstruction.nrrd").write_bytes(b"NRRD0004\nhalf")
    assert job.read_status().state == "queued"
    assert run_job(job.path, resume=True).state == "done"
    assert np.array_equal(result_of(job), unbroken)
    assert leftovers(job.path) == []
    lines = job.events.read_text().splitlines()
    assert lines[1] == '{"time": 2.0, "eve'
    assert all(json.loads(line) for i, line in enumerate(lines) if i != 1)


def test_a_result_that_was_being_replaced_is_put_back(tmp_path):
    from ctdiffusion.core import atomic

    old = tmp_path / "result.old.partial"
    old.mkdir()
    (old / "reconstruction.nrrd").write_bytes(b"kept")
    atomic.remove_partial(tmp_path / "result")
    assert (tmp_path / "result" / "reconstruction.nrrd").read_bytes() == b"kept"
    new = tmp_path / "result.partial"
    new.mkdir()
    (new / "reconstruction.nrrd").write_bytes(b"new")
    atomic.publish_folder(new, tmp_path / "result")
    assert [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()] == [b"new"]


def test_two_workers_cannot_run_one_folder(tmp_path):
    job = make_job(tmp_path / "job", method="slow")
    with slow("worker", job.path, "--save-every", "0", hang="step") as child:
        wait_for(saved(job, 3), child)
        before = job.events.read_bytes()
        with process("-m", "ctdiffusion.jobs.worker", job.path) as second:
            _, err = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"another process (pid {child.pid}) is running this job" in err
        assert job.events.read_bytes() == before
        assert job.read_status().state == "running"


def test_a_stale_lock_is_taken_over(tmp_path):
    """Its process number may belong to somebody else by now, and its time lie in the future."""
    job = make_job(tmp_path / "job")
    (job.path / "lock").write_text('{"pid": 1, "started": 99999999999.0}')
    events = []
    assert run_job(job.path, listener=events.append).state == "done"
    assert [e["text"] for e in events if e["event"] == "warning"] == ["an earlier run (pid 1) ended without finishing"]


def test_the_job_ends_when_standard_input_closes(tmp_path):
    job = make_job(tmp_path / "job", method="slow")
    with slow("worker", job.path, "--watch-stdin", "--save-every", "0", hang="step", stdin=subprocess.PIPE) as child:
        wait_for(saved(job, 3), child)
        child.stdin.close()
        child.stdin = None
        assert child.wait(timeout=5) == 130
    assert status_on_disk(job)["state"] == "interrupted"
