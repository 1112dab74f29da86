"""One job, in this process: files, numbers, refusals, and the study that shares its mathematics."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import slow_method
import torch
from ctdiffusion import pipeline
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.core import devices
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.images.volume import read_volume
from ctdiffusion.jobs.events import read_events
from ctdiffusion.jobs.folder import JobFolder, JobStatus
from ctdiffusion.jobs.monitor import JobMonitor
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.stopping import StopRequest
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.quality.metrics import compare
from ctdiffusion.scan.machines import default_geometry
from ctdiffusion.studies.study import run_study
from job_helpers import leftovers, make_input, make_job, phantom, quiet_log, result_of
from safetensors import safe_open


def test_a_job_gives_a_volume_on_the_input_with_its_numbers(tmp_path):
    job = make_job(tmp_path / "job", geometry="fan", views=60)
    heard = []
    status = run_job(job.path, listener=heard.append)
    assert (status.state, status.exit_code, status.error) == ("done", 0, None)
    reference, result = phantom(), read_volume(job.volume, assume_hu=True)
    assert result.spacing == pytest.approx(reference.spacing, abs=1e-6)
    assert result.origin == pytest.approx(reference.origin, abs=1e-6)
    assert result.direction == pytest.approx(reference.direction, abs=1e-6)
    body = (slice(None), slice(12, 20), slice(12, 16))
    assert result.array[body].mean() == pytest.approx(reference.array[body].mean(), abs=30)
    assert status.metrics["psnr"] == pytest.approx(compare(result, reference)["psnr"], abs=1e-3)
    assert status.metrics["psnr"] > 24
    assert 0 < status.misfit["relative"] < 0.05
    logged = list(read_events(job.events))
    assert logged == json.loads(json.dumps(heard, default=str).replace("NaN", "null"))
    assert [e["phase"] for e in logged if e["event"] == "step" and e["step"] == 0][:2] == ["read", "simulate"]
    assert leftovers(job.path) == []
    assert job.preview.read_bytes()[:4] == b"\x89PNG"


def test_provenance_says_what_was_done_and_a_rerun_reproduces(tmp_path):
    job = make_job(tmp_path / "job", method="slow", seed=11, slices=(1, 3))
    run_job(job.path)
    record = json.loads(job.provenance.read_text(encoding="utf-8"))
    source = tmp_path / "input.nrrd"
    assert record["inputs"]["files_sha256"] == {"input.nrrd": hashlib.sha256(source.read_bytes()).hexdigest()}
    assert record["device"]["used"] in ("cpu", "cuda")
    assert record["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert set(record["seconds"]) >= {"network", "projector", "io", "other", "total"}
    assert sum(v for k, v in record["seconds"].items() if k != "total") == pytest.approx(
        record["seconds"]["total"], abs=0.05
    )
    assert record["peak_memory"]["process_bytes"] > 10_000_000
    assert record["first_slice"] == 1
    assert record["result_sha256"] == hashlib.sha256(result_of(job).tobytes()).hexdigest()

    again = JobFolder(tmp_path / "again")
    again.create(JobSpec.from_dict(record["spec"]))
    run_job(again.path)
    assert np.array_equal(result_of(again), result_of(job))

    other = JobFolder(tmp_path / "other")
    other.create(replace(JobSpec.from_dict(record["spec"]), seed=12))
    run_job(other.path)
    assert not np.array_equal(result_of(other), result_of(job))


@pytest.mark.parametrize("method", ["fbp", "slow"])
@pytest.mark.parametrize("geometry", ["parallel", "fan"])
def test_a_slice_range_gives_the_slices_of_the_whole(tmp_path, method, geometry):
    whole = make_job(tmp_path / "whole", method=method, geometry=geometry)
    part = make_job(tmp_path / "part", method=method, geometry=geometry, slices=(1, 3))
    run_job(whole.path)
    run_job(part.path)
    assert np.array_equal(result_of(part), result_of(whole)[1:3])
    assert read_volume(part.volume, assume_hu=True).origin == pytest.approx((10, -20, 33))


def test_the_study_and_the_worker_agree(tmp_path):
    job = make_job(tmp_path / "job", method="slow", geometry="fan", views=12, seed=5)
    status = run_job(job.path)
    volume, angles = phantom(), JobSpec(**{"input": "x", "method": "fbp", "geometry": "fan", "views": 12}).angles()
    methods = [("fbp", {"filter": "hann"}), ("slow", {})]
    settings = SimulationSettings()
    results = run_study(volume, default_geometry("fan", angles, volume.grid), settings, methods, 5, "auto")
    assert [r.method for r in results] == ["fbp", "slow"]
    assert np.array_equal(results[1].volume.array, result_of(job))
    assert results[1].metrics["psnr"] == pytest.approx(status.metrics["psnr"])
    assert results[1].misfit["chi2"] == pytest.approx(status.misfit["chi2"])
    assert results[0].metrics["psnr"] != results[1].metrics["psnr"]


def _measured_file(folder):
    """Forty parallel views of the phantom, free of noise, as a file of measured projections."""
    volume = phantom()
    geometry = default_geometry("parallel", tuple(np.arange(40) * np.pi / 40), volume.grid)
    data = pipeline.simulated(volume, geometry, SimulationSettings(noise=False), 0).projections.data
    np.savez(folder / "scan.npz", data=data.numpy())
    description = {
        "format": "ctdiffusion-projections",
        "version": 1,
        "name": "scan",
        "file": "scan.npz",
        "data": "data",
        "axes": ["slice", "view", "column"],
        "values": "line-integrals",
        "geometry": {"kind": "parallel", "column_spacing_mm": geometry.column_spacing},
        "angles": {"values": [180 * k / 40 for k in range(40)], "unit": "deg"},
        "grid_shape": [4, 32, 32],
        "grid_spacing_mm": [3.0, 2.0, 2.0],
    }
    (folder / "scan.json").write_text(json.dumps(description))
    return folder / "scan.npz"


def test_measured_projections_are_reconstructed_without_a_reference(tmp_path):
    path = str(_measured_file(tmp_path))
    job = make_job(tmp_path / "job", input=path, input_kind="projections", geometry=None, views=None)
    status = run_job(job.path)
    assert status.state == "done", status.error
    assert status.metrics is None
    assert 0 < status.misfit["relative"] < 0.05
    assert status.misfit["chi2"] is None
    simulated = make_job(tmp_path / "simulated", views=40, simulation=SimulationSettings(noise=False))
    run_job(simulated.path)
    assert np.allclose(result_of(job), result_of(simulated), atol=0.1)
    record = json.loads(job.provenance.read_text(encoding="utf-8"))
    assert set(record["inputs"]["files_sha256"]) == {"scan.npz", "scan.json"}
    assert len(record["geometry"]["angles"]) == 40
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "named.npz").symlink_to(path)
    linked = make_job(
        tmp_path / "linked", input=str(elsewhere / "named.npz"), input_kind="projections", geometry=None, views=None
    )
    run_job(linked.path)
    hashes = record["inputs"]["files_sha256"]
    record = json.loads(linked.provenance.read_text(encoding="utf-8"))
    expected = {"named.npz": hashes["scan.npz"], "scan.json": hashes["scan.json"]}
    assert record["inputs"]["files_sha256"] == expected

    fewer = make_job(tmp_path / "fewer", input=path, input_kind="projections", geometry=None, views=10)
    assert run_job(fewer.path).state == "done"
    angles = json.loads(fewer.provenance.read_text(encoding="utf-8"))["geometry"]["angles"]
    assert np.degrees(angles) == pytest.approx(np.arange(10) * 18.0)
    more = make_job(tmp_path / "more", input=path, input_kind="projections", geometry=None, views=41)
    status = run_job(more.path)
    assert (status.exit_code, status.error) == (2, "spec.views: 41 views were asked for, scan.npz has 40")


def test_a_study_refuses_before_it_computes(monkeypatch):
    monkeypatch.setattr(pipeline, "simulate", lambda *_: pytest.fail("it computed"))
    volume = phantom()
    geometry = default_geometry("parallel", (0.0, 1.0), volume.grid)
    for chosen, text in [([("magic", {})], "magic"), ([("slow", {"steps": 0})], r"methods\.slow\.steps")]:
        with pytest.raises(ValueError, match=text):
            run_study(volume, geometry, SimulationSettings(), chosen)


def test_methods_never_see_the_reference(tmp_path, monkeypatch):
    """The result is the same whatever the reference and the template hold (C5)."""
    volume = phantom()
    geometry = default_geometry("parallel", tuple(np.linspace(0, 3, 12)), volume.grid)
    measurement = pipeline.simulated(volume, geometry, SimulationSettings(), 3)
    other = replace(measurement, reference=volume.like(volume.array * 0), template=volume.like(volume.array * 0))
    operator = pipeline.operator_for(measurement, "cpu")
    arguments = (slow_method.SLOW, slow_method.SlowParameters(), None, 3, Monitor())
    first = pipeline.run_method(measurement, operator, *arguments)
    second = pipeline.run_method(other, operator, *arguments)
    assert np.array_equal(first.volume.array, second.volume.array)
    assert first.metrics["psnr"] != second.metrics["psnr"]


def test_nan_ends_in_a_clear_error_and_the_last_good_state_is_kept(tmp_path):
    job = make_job(tmp_path / "job", method="slow", parameters={"nan_step": 3})
    status = run_job(job.path, save_s=0.0)
    assert (status.state, status.exit_code) == ("failed", 1)
    assert "not finite" in status.error
    assert not job.result.exists()
    with safe_open(str(job.state), framework="pt") as file:
        step, tensors = int(file.metadata()["step"]), {"x": file.get_tensor("x")}
    assert step == 3
    assert torch.isfinite(tensors["x"]).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"slices": (2, 9)}, r"spec\.slices: 2:9 .*0:4"),
        ({"input": "missing.nrrd"}, "missing.nrrd"),
        ({"geometry": {"kind": "fan", "angles": [0.0], "source_to_isocentre": 20.0, "source_to_detector": 90.0,
                       "columns": 60, "column_spacing": 2.0}, "views": None}, "inside the volume"),
        ({"device": "cuda"}, "device: cuda was asked for, but"),
        ({"prior": "no-such-pack", "method": "dds"}, "no-such-pack"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(tmp_path, change, text):
    if change.get("device") == "cuda" and devices.why_no_cuda() is None:
        pytest.skip("this machine has a GPU")
    job = make_job(tmp_path / "job", **change)
    status = run_job(job.path)
    assert (status.state, status.exit_code) == ("failed", 2)
    assert re.search(text, status.error)
    assert "\n" not in status.error
    assert not job.result.exists()
    assert job.read_status() == replace(status, updated=job.read_status().updated)


def test_memory_is_asked_for_before_it_is_taken(tmp_path, monkeypatch):
    from ctdiffusion.images import memory

    monkeypatch.setattr(memory, "available_memory", lambda: 300_000)
    monkeypatch.setattr(pipeline, "simulate", lambda *_: pytest.fail("it allocated"))
    status = run_job(make_job(tmp_path / "job", views=200).path)
    assert status.exit_code == 2
    assert "memory" in status.error
    assert "GB" in status.error


def test_a_finished_job_is_not_run_again(tmp_path):
    job = make_job(tmp_path / "job")
    run_job(job.path)
    before = job.volume.stat().st_mtime_ns
    assert run_job(job.path, resume=True).state == "done"
    with pytest.raises(ValueError, match="already done"):
        run_job(job.path)
    with pytest.raises(ValueError, match="already holds a job that is done"):
        job.create(job.read_spec())
    assert job.volume.stat().st_mtime_ns == before


def test_a_gpu_out_of_memory_goes_on_with_the_cpu(tmp_path, monkeypatch):
    job = make_job(tmp_path / "job")
    original, seen = pipeline.operator_for, []

    def operator_for(measurement, device):
        seen.append(str(device))
        if len(seen) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
        return original(measurement, device)

    monkeypatch.setattr(pipeline, "operator_for", operator_for)
    monkeypatch.setattr(devices, "resolve", lambda name: devices.DeviceChoice(torch.device("meta"), "a test"))
    status = run_job(job.path)
    assert status.state == "done"
    assert seen == ["meta", "cpu"]
    assert any("out of memory" in e.get("text", "") for e in read_events(job.events))


def test_time_is_accounted_once(tmp_path):
    job = make_job(tmp_path / "job")
    monitor = JobMonitor(job, quiet_log(job), StopRequest(), "digest")
    with monitor.timed("io"):
        time.sleep(0.05)
        with monitor.timed("network"):
            time.sleep(0.1)
        time.sleep(0.05)
    seconds = monitor.timings()
    assert seconds["io"] == pytest.approx(0.1, abs=0.04)
    assert seconds["network"] == pytest.approx(0.1, abs=0.04)
    assert seconds["other"] == pytest.approx(0.0, abs=0.02)


def test_the_log_stays_small_however_many_steps_there_are(tmp_path):
    job = make_job(tmp_path / "job")
    monitor = JobMonitor(job, quiet_log(job), StopRequest(), "digest")
    for step in range(5000):
        monitor.step("many", step, 100_000)
    assert sum(1 for _ in read_events(job.events)) < 60


def test_eta_counts_from_where_a_resumed_run_began(tmp_path):
    job, heard = make_job(tmp_path / "job"), []
    log = quiet_log(job)
    log.listener = heard.append
    monitor = JobMonitor(job, log, StopRequest(), "digest", report_s=0.0)
    monitor.step("phase", 50, 100)
    time.sleep(0.2)
    monitor.step("phase", 60, 100)
    assert heard[-1]["eta_s"] == pytest.approx(0.8, abs=0.3)


def test_status_of_a_dead_worker_is_interrupted(tmp_path):
    job = make_job(tmp_path / "job")
    job.write_status(JobStatus("running", pid=1))
    assert job.read_status().state == "interrupted"
    job.status.write_bytes(b'{"state": "runn')
    assert job.read_status().state == "queued"
    job.events.write_text('{"event": "status"}\n')
    assert job.read_status().state == "interrupted"
    make_input(tmp_path)
    assert run_job(job.path, resume=True).state == "done"
