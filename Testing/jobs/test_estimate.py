"""Estimates of time and memory: they grow with the work, and are right within generous bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.jobs.calibration import calibrate
from ctdiffusion.jobs.estimate import CUDA, Speed, estimate, read_speed
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.methods.registry import method_named, methods
from ctdiffusion.scan.beams import Grid, equispaced
from ctdiffusion.scan.machines import default_geometry
from job_helpers import PACKAGE, make_job, phantom


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def of(name: str = "dds", views: int = 30, slices: int = 8, size: int = 128, kind: str = "fan", pixel: float = 1.5,
       finer: int | None = 2, speed: Speed | None = None, **parameters):  # fmt: skip
    grid = Grid((slices, size, size), (2.0, pixel, pixel))
    geometry = default_geometry(kind, equispaced(views), grid)
    return estimate(method_named(name), parameters, geometry, grid, speed or Speed(), finer, "ct-triplet-256")


def work_of(name: str, **parameters):
    method = method_named(name)
    return method.work(from_mapping(method.parameters, parameters, "parameters"))


@pytest.mark.parametrize("name", methods())
@pytest.mark.parametrize("kind", ["parallel", "fan", "cone"])
def test_every_method_takes_longer_the_more_there_is_to_do(name, kind):
    base = of(name, kind=kind)
    assert 0 < base.low_s < base.seconds < base.high_s and base.memory_bytes > 1e8
    assert sum(base.parts.values()) == pytest.approx(base.seconds)
    for more in ({"views": 60}, {"slices": 16}, {"size": 256}):
        larger = of(name, kind=kind, **more)
        assert larger.seconds > base.seconds, more
        assert larger.memory_bytes >= base.memory_bytes, more
    assert of(name, kind=kind, finer=4).seconds > of(name, kind=kind, finer=None).seconds


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("dds", "steps"), ("dds", "cg_iterations"), ("ddnm", "sirt_iterations"), ("dds", "final_cg"),
     ("sirt", "iterations"), ("tv", "iterations"), ("cgls", "iterations")],
)  # fmt: skip
def test_more_iterations_take_longer(name, parameter):
    times = [of(name, **{parameter: count}).seconds for count in (10, 20, 80)]
    assert times == sorted(times) and times[0] < times[2]


def test_the_work_is_counted():
    work = work_of("dds", steps=40, cg_iterations=10, final_cg=20)
    assert work.evaluations == 41
    assert work.pairs == pytest.approx(40 * 11 + 20, abs=3)
    assert work_of("fbp").evaluations == 0
    blend = work_of("diffusionblend++", steps=40)
    assert blend.evaluations == pytest.approx(41 / 3)


def test_fine_pixels_are_sampled_on_the_priors_grid():
    assert of(pixel=0.75, grid="auto").parts["network"] == pytest.approx(
        of(pixel=0.75, grid="input").parts["network"] / 4
    )
    assert of(pixel=1.2, grid="auto").parts["network"] == of(pixel=1.2, grid="input").parts["network"]


def test_nothing_heavy_is_imported():
    code = "import sys, ctdiffusion.jobs.estimate, ctdiffusion.scan.machines"
    code += "; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cpu": 3}', '{"cuda": {}}', '{"cpu": {"sample_ns": NaN}}',
                                  '{"cpu": {"sample_ns": "3"}}', '{"cpu": {"batch": 0}}',
                                  '{"cpu": {"network_ns": [1]}}', '{"cpu": {"network_ns": {"a": -1}}}'])  # fmt: skip
def test_a_damaged_calibration_is_only_a_guess(tmp_path, text):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    assert read_speed("cpu", path) == Speed()
    assert not read_speed("cpu", tmp_path / "none.json").measured
    assert read_speed("cuda", path).device == "cuda"


def test_doubt_is_stated():
    measured = replace(Speed(), measured=True)
    assert of(speed=measured).high_s == pytest.approx(2 * of(speed=measured).seconds)
    assert of().note and of().high_s > 4 * of().seconds
    other = replace(measured, network_ns={"another": 100.0})
    assert "ct-triplet-256 has not been timed" in of(speed=other).note


def test_a_real_run_takes_about_what_was_estimated(tmp_path, cache):
    speed = calibrate(torch.device("cpu"), None)
    assert read_speed("cpu") == speed, "it is remembered"
    job = make_job(tmp_path / "job", method="sirt", geometry="fan", views=60, parameters={"iterations": 300})
    status = run_job(job.path)
    assert status.state == "done", status.error
    record = json.loads(job.provenance.read_text())
    grid = phantom(4).grid
    geometry = default_geometry("fan", equispaced(60), grid)
    found = estimate(method_named("sirt"), {"iterations": 300}, geometry, grid, replace(speed, start_s=0.0), 2)
    # Small arrays and a busy computer: the bounds are wide, but an error of a power of ten would show.
    assert 1 / 8 < found.seconds / record["seconds"]["total"] < 8
    assert 1 / 4 < found.memory_bytes / record["peak_memory"]["process_bytes"] < 4


def test_the_command(tmp_path, cache):
    job = make_job(tmp_path / "job", method="fbp", geometry="fan")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "CTDIFFUSION_PRIORS": ""}
    (cache / "ctdiffusion").mkdir(parents=True)
    values = {"cpu": {"sample_ns": 1000.0, "network_ns": {"ct-triplet-256": 1.0}}}
    (cache / "ctdiffusion" / "calibration.json").write_text(json.dumps(values))
    command = [sys.executable, "-m", "ctdiffusion", "estimate", str(job.spec), "--device", "cpu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    geometry = default_geometry("fan", equispaced(20), phantom(4).grid)
    expected = estimate(method_named("fbp"), {}, geometry, phantom(4).grid, read_speed("cpu"), 2, "ct-triplet-256")
    assert found["seconds"] == pytest.approx(expected.seconds)
    assert not (Path(job.path) / "events.jsonl").exists(), "nothing is run"


def test_networks_of_sinograms_see_a_whole_turn_and_its_corrections():
    few, more = of("gmsd"), of("gmsd", size=256)
    assert more.parts["network"] == pytest.approx(2 * few.parts["network"], rel=0.1), "columns grow, rows do not"
    assert work_of("gmsd", corrector=1).evaluations == 2 * work_of("gmsd").evaluations
    assert work_of("gmsd", steps=500).pairs == work_of("gmsd").pairs, "no image is projected on the way"


def test_a_gpu_stores_the_projector_whatever_its_size():
    on_gpu = {size: of("sirt", size=size, views=720, slices=1, speed=CUDA).gpu_bytes for size in (256, 512)}
    assert on_gpu[512] > 4e9
    assert on_gpu[512] > 3 * on_gpu[256]
