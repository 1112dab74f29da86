"""Cancel at any time: under two seconds, nothing half-written, no process left."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest
import slow_method  # noqa: F401 - registers the method "slow"
from job_helpers import leftovers, make_input, make_job, process, reached, saved, slow, status_on_disk, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")]
LIMIT_S = 2.0


def _ends_cancelled(child, job, since):
    code = child.wait(timeout=10)
    seconds = time.monotonic() - since
    assert code == 130
    assert seconds < LIMIT_S
    assert status_on_disk(job)["state"] == "cancelled"
    assert not job.result.exists()
    assert not job.provenance.exists()
    assert leftovers(job.path) == []
    assert not psutil.pid_exists(child.pid)


@pytest.mark.parametrize("way", ["file", "SIGINT"])
def test_as_soon_as_it_runs(tmp_path, way):
    """While torch is being imported."""
    job = make_job(tmp_path / "job")
    with process("-m", "ctdiffusion.jobs.worker", job.path) as child:
        wait_for(lambda: status_on_disk(job)["state"] == "running", child)
        since = time.monotonic()
        if way == "file":
            job.cancel.touch()
        else:
            child.send_signal(signal.SIGINT)
        _ends_cancelled(child, job, since)


def test_in_the_first_100_ms(tmp_path):
    """Python itself is still starting; whatever happens, nothing is written and nothing is left."""
    job = make_job(tmp_path / "job")
    with process("-m", "ctdiffusion.jobs.worker", job.path) as child:
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        since = time.monotonic()
        assert child.wait(timeout=10) != 0
        assert time.monotonic() - since < LIMIT_S
    assert not job.result.exists()
    assert job.read_status().state in ("queued", "cancelled", "interrupted")


@pytest.mark.parametrize(
    ("hang", "way"), [("", "file"), ("network", "file"), ("network", "SIGINT"), ("write", "file"), ("write", "SIGINT")]
)
def test_between_steps_within_one_long_step_and_during_write(tmp_path, hang, way):
    parameters = {} if hang == "write" else {"steps": 2000, "pause": 0.01}
    job = make_job(tmp_path / "job", method="slow", parameters=parameters)
    place = {"": ("slow", 2), "network": ("slow", 0), "write": ("write", 0)}[hang]
    with slow("worker", job.path, hang=hang) as child:
        wait_for(reached(job, *place), child)
        if hang == "write":
            wait_for(lambda: job.result_partial.is_dir() and any(job.result_partial.iterdir()), child)
        elif hang == "network":
            time.sleep(0.3)  # the log line comes just before the long step
        since = time.monotonic()
        if way == "file":
            job.cancel.touch()
        else:
            child.send_signal(signal.SIGINT)
        _ends_cancelled(child, job, since)


def test_twice(tmp_path):
    """The second signal does not wait for the step."""
    job = make_job(tmp_path / "job", method="slow")
    with slow("worker", job.path, "--save-every", "0", hang="step") as child:
        wait_for(saved(job, 3), child)
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        since = time.monotonic()
        child.send_signal(signal.SIGINT)
        _ends_cancelled(child, job, since)
        assert time.monotonic() - since < 0.8


@pytest.mark.parametrize("out", ["job", "result.nrrd"])
def test_ctrl_c_on_the_command_line_leaves_nothing_half_written(tmp_path, out):
    """Ctrl-C goes to the whole foreground group, so all of it has to end."""
    source = make_input(tmp_path / "in")
    arguments = ("reconstruct", source, "--method", "slow", "--views", "20", "--steps", "2000", "--pause", "0.01")
    with slow("cli", *arguments, "-o", tmp_path / out, start_new_session=True) as child:
        mark = "slow 0/2000"
        assert any(mark in line for line in iter(child.stderr.readline, ""))
        since = time.monotonic()
        os.killpg(child.pid, signal.SIGINT)
        out_text, err_text = child.communicate(timeout=10)
        assert time.monotonic() - since < LIMIT_S
        assert child.returncode == 130
        assert "cancelled" in err_text
        assert "Traceback" not in err_text
    assert leftovers(tmp_path) == []
    if out == "job":
        assert f"ctdiffusion resume {tmp_path / out}" in out_text
        assert not (tmp_path / "job" / "result").exists()
    else:
        assert f"ctdiffusion resume {tmp_path / out}.job -o {tmp_path / out}" in out_text
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in", f"{out}.job"]
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("hang", ["", "network", "write"])
def test_every_signal_that_ends_a_process_is_as_quick_as_ctrl_c(tmp_path, number, hang):
    parameters = {} if hang == "write" else {"steps": 2000, "pause": 0.01}
    job = make_job(tmp_path / "job", method="slow", parameters=parameters)
    place = {"": ("slow", 2), "network": ("slow", 0), "write": ("write", 0)}[hang]
    with slow("worker", job.path, hang=hang) as child:
        wait_for(reached(job, *place), child)
        time.sleep(0.3)
        since = time.monotonic()
        child.send_signal(number)
        assert child.wait(timeout=10) == 130
        assert time.monotonic() - since < LIMIT_S
    assert status_on_disk(job)["state"] == "interrupted"
    assert leftovers(job.path) == []


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path):
    """nohup: the terminal goes, the job goes on."""
    job = make_job(tmp_path / "job", method="slow", parameters={"steps": 100, "pause": 0.02})
    with slow("worker", job.path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as child:
        wait_for(reached(job, "slow", 1), child)
        child.send_signal(signal.SIGHUP)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert status_on_disk(job)["state"] == "done"


def test_after_the_end(tmp_path):
    job = make_job(tmp_path / "job")
    with process("-m", "ctdiffusion.jobs.worker", job.path) as child:
        assert child.wait(timeout=60) == 0
        before = job.status.read_bytes()
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
    job.cancel.touch()
    with process("-m", "ctdiffusion.jobs.worker", job.path, "--resume") as child:
        assert child.wait(timeout=60) == 0
    assert job.status.read_bytes() == before
