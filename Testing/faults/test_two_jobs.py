"""Two jobs into one place at the same moment: one is done, the other refused, and nothing of the two is mixed."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest
from ctdiffusion.commands import main as cli
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.lock import JobBusy, JobLock, is_locked
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from job_helpers import HERE, leftovers, make_input, make_job, process

pytestmark = pytest.mark.slow
ROUNDS = 15
# Both processes have everything imported and start each round at the same moment.
RACER = """
import sys
from pathlib import Path
from ctdiffusion.commands import main as cli
import ctdiffusion.commands.delivery, ctdiffusion.jobs.run, ctdiffusion.jobs.reconstruction
source, target, views, rounds = sys.argv[1:]
command = ["reconstruct", source, "--method", "fbp", "--geometry", "parallel", "--views", views, "-o"]
cli.main([*command, target.format(f"warm{views}")])
for number in range(int(rounds)):
    print("ready", flush=True)
    sys.stdin.readline()
    print("code", cli.main([*command, target.format(number)]), flush=True)
"""


def _answer(child, word):
    for line in child.stdout:
        if line.startswith(word):
            return line.split()[-1]
    raise AssertionError(child.communicate())


@pytest.mark.parametrize("target", ["job{}", "result{}.nrrd"])
def test_a_race_has_one_winner(tmp_path, target):
    source = make_input(tmp_path / "in")
    arguments = (source, tmp_path / target)
    with (
        process("-c", RACER, *arguments, 7, ROUNDS, stdin=subprocess.PIPE) as one,
        process("-c", RACER, *arguments, 11, ROUNDS, stdin=subprocess.PIPE) as two,
    ):
        racers = {7: one, 11: two}
        for number in range(ROUNDS):
            for child in racers.values():
                _answer(child, "ready")
            for child in racers.values():
                child.stdin.write("\n")
                child.stdin.flush()
            codes = {views: int(_answer(child, "code")) for views, child in racers.items()}
            place = tmp_path / target.format(number)
            if place.suffix:
                record = json.loads((tmp_path / f"result{number}.provenance.json").read_text())
                # The later of two that did not meet may replace a file.
                winners = {views for views, code in codes.items() if code == 0}
                assert record["spec"]["views"] in winners, codes
                _same_volume(place, record)
            else:
                assert sorted(codes.values()) == [0, 2]
                winner = next(views for views, code in codes.items() if code == 0)
                job = JobFolder(place)
                record = json.loads(job.provenance.read_text())
                views = [job.read_spec().views, record["spec"]["views"], len(record["geometry"]["angles"])]
                assert views == [winner] * 3
                assert job.read_status().state == "done"
                _same_volume(job.volume, record)
    assert leftovers(tmp_path) == []


def _same_volume(path, record):
    from ctdiffusion.images.volume import read_intensities
    from ctdiffusion.jobs.provenance import sha256_array

    assert sha256_array(read_intensities(path).array) == record["result_sha256"]


def test_a_claimed_folder_is_nobody_elses(tmp_path, capsys):
    source = make_input(tmp_path / "in")
    job = JobFolder(tmp_path / "job")
    lock = job.claim()
    assert is_locked(job.path) and not job.spec.exists()
    with pytest.raises(JobBusy, match=r"job: another process \(pid \d+\) is running this job"):
        job.create(JobSpec(input=str(source), method="fbp", geometry="parallel", views=5))
    arguments = ["reconstruct", str(source), "--method", "fbp", "--geometry", "parallel", "--views", "5"]
    assert cli.main([*arguments, "-o", str(job.path)]) == 2
    assert "another process" in capsys.readouterr().err
    assert [path.name for path in job.path.iterdir()] == ["lock"]
    lock.release()
    assert cli.main([*arguments, "-o", str(job.path)]) == 0


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path):
    first, second = JobLock(tmp_path), JobLock(tmp_path)
    first.acquire()
    (tmp_path / "lock").unlink()
    second.acquire()
    with pytest.raises(JobBusy):
        JobLock(tmp_path).acquire(patience_s=0.05)
    first.release()
    second.release(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_folder_is_not_even_locked(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no job"):
        JobFolder(tmp_path / "letters").claim()
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_job_folder_is_its_owners_alone(tmp_path):
    job = make_job(tmp_path / "outer" / "job")
    assert stat.S_IMODE(job.path.stat().st_mode) == 0o700
    source = make_input(tmp_path / "in")
    code = f"""import os, sys; os.umask(0); sys.path.insert(0, {str(HERE.parent / 'CTDiffusionRecon')!r})
from ctdiffusion.commands import main as cli
sys.exit(cli.main(["reconstruct", {str(source)!r}, "--method", "fbp", "--views", "5", "-o", "wide/open"]))"""
    with process("-c", code, cwd=tmp_path) as child:
        _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert stat.S_IMODE((tmp_path / "wide" / "open").stat().st_mode) == 0o700
