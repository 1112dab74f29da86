"""Going on where a job was stopped: the same bits, and only with what its state belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slow_method  # noqa: F401 - registers the method "slow"
import torch
from ctdiffusion.core.schema import describe
from ctdiffusion.images.volume import read_volume, write_volume
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.monitor import JobMonitor
from ctdiffusion.jobs.stopping import StopRequest
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.methods.registry import methods
from ctdiffusion.priors.packs.pack import find_packs
from job_helpers import make_job, quiet_log, result_of


def test_cancel_after_the_end_changes_nothing(tmp_path):
    job = make_job(tmp_path / "job")
    run_job(job.path)
    job.cancel.touch()
    assert job.read_status().state == "done"
    assert run_job(job.path, resume=True).state == "done"


def test_a_cancelled_job_resumes_to_the_same_bits(tmp_path):
    unbroken = make_job(tmp_path / "unbroken", method="slow", parameters={"steps": 9})
    run_job(unbroken.path)
    job = make_job(tmp_path / "job", method="slow", parameters={"steps": 9})

    def cancel(event):
        if event["event"] == "step" and event["phase"] == "slow" and event["step"] >= 1 and not resumed:
            job.cancel.touch()

    resumed = []
    status = run_job(job.path, listener=cancel, save_s=0.0)
    assert (status.state, status.exit_code) == ("cancelled", 130)
    assert not job.result.exists()
    assert job.state.exists()
    resumed = [True]
    events = []
    assert run_job(job.path, resume=True, listener=events.append).state == "done"
    assert next(e["step"] for e in events if e["event"] == "resumed") >= 1
    assert np.array_equal(result_of(job), result_of(unbroken))
    assert not job.state.exists()


@pytest.mark.parametrize("name", [name for name in methods() if name not in ("fbp", "fbpconvnet", "slow")])
def test_every_method_resumes_to_the_same_bits(tmp_path, name):
    if methods()[name].needs_prior and methods()[name].default_prior not in find_packs():
        pytest.skip("its prior pack is not installed")
    # Few noise levels are enough to stop between two of them.
    levels = (
        {info.name for info in describe(methods()[name].parameters)} & {"steps"} if methods()[name].needs_prior else ()
    )
    few = dict.fromkeys(levels, 8)
    unbroken = make_job(tmp_path / "unbroken", method=name, parameters=few)
    run_job(unbroken.path)
    job, stop = make_job(tmp_path / "job", method=name, parameters=few), StopRequest()
    saves = []

    def cancel(event):
        saves.extend([event["step"]] if event["event"] == "saved" else [])
        cheap = (
            not methods()[name].needs_prior and event["event"] == "step" and event["phase"] not in ("read", "simulate")
        )
        if len(saves) == 3 or (cheap and event["step"] >= 1 and event["total"] > 3):
            stop.ask("cancelled")

    assert run_job(job.path, listener=cancel, stop=stop, save_s=0.0).state == "cancelled"
    events = []
    assert run_job(job.path, resume=True, listener=events.append).state == "done"
    # A method that is quick may begin again; one with a network has to go on.
    assert [e["step"] for e in events if e["event"] == "resumed"] == saves[-1:]
    assert saves or not methods()[name].needs_prior
    assert np.array_equal(result_of(job), result_of(unbroken))


@pytest.mark.parametrize("damage", ["random", "other", "empty", "input"])
def test_a_state_that_cannot_be_used_is_told_and_the_answer_is_the_same(tmp_path, damage):
    job = make_job(tmp_path / "job", method="slow")
    if damage == "input":
        run_job(job.path, listener=lambda event: event["event"] == "saved" and job.cancel.touch(), save_s=0.0)
        assert job.state.exists()
        path = Path(job.read_spec().input)
        volume = read_volume(path)
        write_volume(volume.like(volume.array + 100.0), path)
    elif damage == "other":
        job.save_state(2, {"x": torch.ones(4, 32, 32)}, "another specification")
    else:
        job.state.write_bytes(b"" if damage == "empty" else bytes(range(256)))
    events = []
    assert run_job(job.path, resume=True, listener=events.append).state == "done"
    told = [e["text"] for e in events if e["event"] == "warning" and "state" in e["text"]]
    assert len(told) == 1
    assert not [e for e in events if e["event"] == "resumed"]
    unbroken = JobFolder(tmp_path / "unbroken")
    unbroken.create(job.read_spec())
    run_job(unbroken.path)
    assert np.array_equal(result_of(job), result_of(unbroken))


def test_a_state_belongs_to_the_weights_it_was_made_with(tmp_path):
    monitor = JobMonitor(JobFolder(tmp_path), quiet_log(JobFolder(tmp_path)), StopRequest(), "digest", resume=True)
    monitor.sources["prior"] = "one"
    monitor.folder.save_state(3, {"x": torch.ones(1)}, monitor.digest)
    assert monitor.saved_state()[0] == 3
    monitor.sources["prior"] = "another"
    assert monitor.saved_state() is None
    assert "input or prior" in monitor.warnings[0]
