"""What somebody plants in a job folder: links are not followed, pipes not waited for, and nothing outside changes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import slow_method  # noqa: F401 - registers the method "slow"
from ctdiffusion.commands import main as cli
from ctdiffusion.core import atomic
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.stopping import StopRequest
from ctdiffusion.jobs.worker import run_job
from job_helpers import PACKAGE, leftovers, make_input, make_job

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links and pipes of POSIX")
FILES = ("spec.json", "status.json", "events.jsonl", "preview.png", "cancel", "state.safetensors", "provenance.json")
PLACES = (*FILES, "lock", "result")
TEMPORARY = (
    "spec.json.partial", "status.json.partial", "preview.partial.png", "state.safetensors.partial",
    "provenance.json.partial", "result.partial", "result.old.partial",
)  # fmt: skip
SECRET = b"precious\n" * 100


@pytest.fixture
def job(tmp_path):
    """A job that was stopped in the middle, with a saved state."""
    job = make_job(tmp_path / "in" / "job", method="slow", parameters={"steps": 50})
    stop = StopRequest()

    def listener(event):
        if event["event"] == "saved":
            stop.ask("cancelled")

    assert run_job(job.path, listener=listener, stop=stop, save_s=0.0).state == "cancelled"
    return job


def _resume_in_a_process(folder):
    """With a time limit, for what might wait for ever."""
    command = [sys.executable, "-m", "ctdiffusion", "resume", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["link", "link to a folder", "dangling link"])
def test_a_link_in_the_place_of_a_file_is_refused(job, tmp_path, capsys, place, kind):
    target = tmp_path / "target"
    if kind == "link":
        content = (job.path / place).read_bytes() if (job.path / place).is_file() else SECRET
        target.write_bytes(content)
    elif kind == "link to a folder":
        target.mkdir()
        content = None
    (job.path / place).unlink(missing_ok=True)
    (job.path / place).symlink_to(target)
    assert cli.main(["resume", str(job.path)]) == 2
    err = capsys.readouterr().err
    if place == "spec.json" and kind != "link":
        assert "not a job folder" in err
    else:
        assert f"{job.path / place}: a symbolic link" in err
    assert err.count("\n") == 1
    assert (job.path / place).is_symlink()
    if kind == "link":
        assert target.read_bytes() == content
    elif kind == "link to a folder":
        assert list(target.iterdir()) == []
    else:
        assert not target.exists()


@pytest.mark.parametrize("place", TEMPORARY)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_in_the_place_of_a_temporary_file_is_removed_alone(job, tmp_path, place, kind):
    target = tmp_path / "target"
    if kind == "folder":
        target.mkdir()
        (target / "reconstruction.nrrd").write_bytes(SECRET)
    else:
        target.write_bytes(SECRET)
    (job.path / place).symlink_to(target)
    assert run_job(job.path, resume=True).state == "done"
    assert (target / "reconstruction.nrrd" if kind == "folder" else target).read_bytes() == SECRET
    assert not job.result.is_symlink()
    assert leftovers(job.path) == []


@pytest.mark.parametrize("place", ["events.jsonl", "lock"])
def test_a_second_name_of_a_file_that_is_written_in_place_is_refused(job, tmp_path, capsys, place):
    target = tmp_path / "target"
    target.write_bytes(SECRET)
    (job.path / place).unlink()
    os.link(target, job.path / place)
    assert cli.main(["resume", str(job.path)]) == 2
    assert f"{place}: has a second name" in capsys.readouterr().err
    assert target.read_bytes() == SECRET


@pytest.mark.parametrize("place", PLACES)
def test_a_pipe_is_not_waited_for(job, place):
    (job.path / place).unlink(missing_ok=True)
    os.mkfifo(job.path / place)
    done = _resume_in_a_process(job.path)
    assert done.returncode == 2
    assert "a pipe" in done.stderr or "where a job has a folder" in done.stderr or place == "spec.json"
    assert done.stderr.count("\n") == 1


def test_a_device_is_not_read(job):
    """A link to /dev/zero is a link; the device file itself needs the right to make one."""
    job.state.unlink()
    try:
        os.mknod(job.state, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("device files cannot be made here")
    done = _resume_in_a_process(job.path)
    assert done.returncode == 2
    assert "state.safetensors: a device file, not a regular file" in done.stderr


def test_a_new_job_writes_through_no_link(tmp_path, capsys):
    """An unfinished job is replaced by a new one, whose first bytes go where the old one's files were."""
    source = make_input(tmp_path / "in")
    for place in ("status.json", "events.jsonl", "lock", "preview.png"):
        job = make_job(tmp_path / "in" / place.replace(".", "-"))
        target = tmp_path / f"target-{place}"
        target.write_bytes(SECRET)
        (job.path / place).unlink(missing_ok=True)
        (job.path / place).symlink_to(target)
        assert cli.main(["reconstruct", str(source), "--method", "fbp", "--views", "5", "-o", str(job.path)]) == 2
        assert f"{place}: a symbolic link" in capsys.readouterr().err
        assert target.read_bytes() == SECRET


def test_a_link_that_is_planted_while_the_job_runs_is_not_followed(tmp_path):
    job = make_job(tmp_path / "job")
    target = tmp_path / "target"
    target.write_bytes(SECRET)

    def plant(event):
        if event["event"] == "device":
            for place in ("events.jsonl", "status.json", "status.json.partial", "provenance.json.partial"):
                (job.path / place).unlink(missing_ok=True)
                (job.path / place).symlink_to(target)

    events = []
    assert run_job(job.path, listener=lambda event: (events.append(event), plant(event))).state == "done"
    assert target.read_bytes() == SECRET
    assert any("the event log stopped" in event.get("text", "") for event in events)


def test_the_users_own_link_to_a_job_folder_is_followed(job, tmp_path):
    (tmp_path / "latest").symlink_to(job.path)
    assert cli.main(["resume", str(tmp_path / "latest")]) == 0
    assert JobFolder(tmp_path / "latest").read_status().state == "done"


def test_atomic_writing_does_not_follow_a_link(tmp_path):
    (tmp_path / "target").write_bytes(SECRET)
    (tmp_path / "file.partial").symlink_to(tmp_path / "target")
    atomic.write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "target").read_bytes() == SECRET
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file.partial").is_symlink()
