"""What the panel asks of the engine: priors, device, time and memory, and how it asks."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from CTDiffusionReconLib.engine.devices import device_line
from CTDiffusionReconLib.engine.engine import find_engine
from CTDiffusionReconLib.engine.estimate import estimate_request
from CTDiffusionReconLib.engine.priors import find_priors
from CTDiffusionReconLib.engine.query import EngineQuery
from CTDiffusionReconLib.queue.request import request_for


def test_priors_whole_and_damaged(tmp_path):
    engine = find_engine()
    shipped = next(prior for prior in find_priors(engine) if prior["name"] == "ct-triplet-256")
    assert shipped["error"] is None and shipped["body_parts"]
    for name in ("torn", "no weights", "ct-triplet-256"):
        shutil.copytree(shipped["folder"], tmp_path / name, ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "torn" / "prior.json").write_text('{"name": "to')
    (tmp_path / "ct-triplet-256" / "weights.safetensors").write_bytes(b"0123456789")
    found = {prior["name"]: prior for prior in find_priors(replace(engine, priors=(str(tmp_path), "/no/such/folder")))}
    assert "not JSON" in found["torn"]["error"] and "weights are missing" in found["no weights"]["error"]
    assert found["ct-triplet-256"]["folder"] == str(tmp_path / "ct-triplet-256"), "a named folder comes first"


def test_the_device_line():
    cpu = {"torch": "2.9", "cuda_build": None, "cpu_threads": 8, "gpu": None, "reason": "built without CUDA"}
    assert device_line(cpu) == "CPU, 8 threads, torch 2.9: built without CUDA"
    assert device_line({**cpu, "cpu_threads": 1}).startswith("CPU, 1 thread,")
    gpu = {"torch": "2.9", "cuda_build": "12.8", "gpu": "H200", "gpu_free_bytes": 1.2e11, "gpu_total_bytes": 1.5e11}
    assert device_line(gpu) == "GPU H200, 120.0 of 150.0 GB free, torch 2.9 (CUDA 12.8)"


def query(code: str) -> EngineQuery:
    engine = find_engine()
    return EngineQuery(engine, engine.script(code)).start()


def test_answers_and_what_is_none():
    assert query("print('a library says hello'); print('{\"a\": \"é\"}')").wait(20) == {"a": "é"}
    large = "import json; print(json.dumps({'x': 'y' * 3000000}))"
    assert len(query(large).wait(20)["x"]) == 3_000_000
    for code, message in (
        ("print('[1]')", "no answer that can be read"),
        ("import sys; sys.stderr.write('error: spec.views: bad\\n'); sys.exit(2)", "^spec.views: bad$"),
        ("import nonsense", "ended with exit code 1: ModuleNotFoundError: No module named 'nonsense'"),
        ("import os; os.kill(os.getpid(), 9)", "killed, probably out of memory"),
    ):
        with pytest.raises(RuntimeError, match=message):
            query(code).wait(20)


def test_a_question_can_be_given_up():
    asked = query("import time; time.sleep(60)")
    assert not asked.poll(0.2)
    asked.stop()
    assert asked.finished and asked.error == "stopped"
    slow = query("import time; time.sleep(60)")
    with pytest.raises(RuntimeError, match=r"did not answer within 0\.3 s"):
        slow.wait(0.3)


def test_estimates_for_the_panel(tmp_path):
    def of(**options):
        request = request_for(**options)
        size, spacing = (256, 256, 64), (1.5, 1.5, 2.0)
        return estimate_request(request, size, spacing, calibration=tmp_path / "none.json")

    assert of(views=60).seconds > of(views=30).seconds
    assert of(slices=(0, 4)).seconds < of().seconds
    assert of(method="fbp").seconds < of(method="sirt").seconds < of(method="dds").seconds
    assert of(views=30, limited_deg=(0, 120)).seconds > 0
    assert of(parameters={"steps": 400}).parts["network"] > 5 * of().parts["network"]
    geometry = {"kind": "parallel", "angles": [0.0, 1.0], "columns": 400, "column_spacing": 1.0}
    assert of(geometry=geometry).seconds < of().seconds
    with pytest.raises(ValueError, match="arc"):
        of(arc_deg=400.0)
