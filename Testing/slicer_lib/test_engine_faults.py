"""The queue with the real engine: damaged packs, missing torch, kills, a host that dies, a folder in use."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from ctdiffusion.jobs.lock import is_locked
from CTDiffusionReconLib.engine.engine import find_engine
from CTDiffusionReconLib.engine.priors import find_priors
from CTDiffusionReconLib.queue.jobs import JobQueue, ReconstructionJob
from CTDiffusionReconLib.queue.request import request_for
from job_helpers import PACKAGE, leftovers, make_input

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
# The engine starts within seconds, but not on a computer that is busy with other things.
PATIENCE_S = 240.0
ENDLESS = {"method": "sirt", "geometry": "fan", "views": 60, "parameters": {"iterations": 10_000}, "device": "cpu"}


def job_for(folder: Path, **options) -> ReconstructionJob:
    request = request_for(input=str(make_input(folder.parent)), **options)
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(request.to_dict()), encoding="utf-8")
    return ReconstructionJob(folder, request)


@pytest.fixture
def queue():
    made = JobQueue(find_engine)
    yield made
    made.shutdown()


def poll_until(queue: JobQueue, condition, timeout_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        queue.poll(0.02)


def test_a_path_of_any_kind_and_length(queue, tmp_path):
    folder = tmp_path / "Ärzte & Söhne;$(x) 'q'" / ("long" * 40)
    folder.mkdir(parents=True)
    job = queue.submit(job_for(folder / ("x" * 60), method="fbp", views=20, device="cpu"))
    assert len(str(job.folder)) > 260
    assert job.wait(PATIENCE_S), job.log
    assert job.state == "done", job.error
    assert job.metrics["psnr"] > 10 and 0 < job.misfit["relative"] < 1 and job.seconds is not None
    assert job.device.startswith("cpu (")


def test_cancel_while_the_engine_starts_and_while_it_works(queue, tmp_path):
    for name, ready in (("start", lambda job: True), ("work", lambda job: job.phase == "sirt")):
        job = queue.submit(job_for(tmp_path / name, **ENDLESS))
        poll_until(queue, lambda job=job, ready=ready: ready(job))
        pid = job.runner.pid
        since = time.monotonic()
        job.cancel()
        assert job.wait(3) and time.monotonic() - since < 2.0, name
        assert job.state == "cancelled"
        assert not psutil.pid_exists(pid) and not is_locked(job.folder)
        assert job.result_path is None and leftovers(job.folder) == []


def test_a_killed_engine_is_told_and_the_next_job_runs(queue, tmp_path):
    first = queue.submit(job_for(tmp_path / "first", **ENDLESS))
    second = queue.submit(job_for(tmp_path / "second", method="fbp", views=20, device="cpu"))
    poll_until(queue, lambda: first.phase == "sirt")
    os.kill(first.worker_pid, signal.SIGKILL)
    assert first.wait(10) and first.state == "failed"
    assert first.error == "the engine killed, probably out of memory"
    assert second.wait(PATIENCE_S) and second.state == "done"


def test_the_engine_ends_with_its_host(tmp_path):
    job = job_for(tmp_path / "job", **ENDLESS)
    code = (
        "import sys; from pathlib import Path\n"
        "from CTDiffusionReconLib.engine.engine import find_engine\n"
        "from CTDiffusionReconLib.queue.jobs import JobQueue, ReconstructionJob\n"
        "from CTDiffusionReconLib.queue.request import request_for\n"
        "queue = JobQueue(find_engine)\n"
        "queue.submit(ReconstructionJob(Path(sys.argv[1]), request_for()))\n"
        "while True: queue.poll(0.1)\n"
    )
    host = subprocess.Popen([sys.executable, "-c", code, str(job.folder)], cwd=PACKAGE)
    try:
        end = time.monotonic() + PATIENCE_S
        while not is_locked(job.folder):
            assert time.monotonic() < end and host.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        host.kill()
        host.wait()
    # Two seconds, where there is a processor to run on.
    end = time.monotonic() + 20.0
    while is_locked(job.folder):
        assert time.monotonic() < end, "the engine outlived its host"
        time.sleep(0.05)
    assert json.loads((job.folder / "status.json").read_text())["state"] == "interrupted"


def test_a_folder_in_use_by_another_slicer(queue, tmp_path):
    first = queue.submit(job_for(tmp_path / "job", **ENDLESS))
    poll_until(queue, lambda: is_locked(first.folder))
    other = JobQueue(find_engine)
    second = other.submit(ReconstructionJob(first.folder, first.request))
    assert second.wait(PATIENCE_S)
    assert second.state == "failed" and "is running this job" in second.error
    assert first.state == "running" and is_locked(first.folder), "the first one is not disturbed"
    first.cancel()
    assert first.wait(3) and first.state == "cancelled"


def test_a_damaged_prior_is_named(tmp_path):
    shipped = next(prior for prior in find_priors(find_engine()) if prior["name"] == "ct-triplet-256")
    broken = tmp_path / "priors" / "broken"
    shutil.copytree(shipped["folder"], broken)
    with open(broken / "weights.safetensors", "r+b") as file:
        file.seek(-100, 2)
        file.write(b"0" * 50)
    queue = JobQueue(lambda: replace(find_engine(), priors=(str(broken.parent),)))
    job = queue.submit(job_for(tmp_path / "job", method="dds", views=20, prior="broken", device="cpu"))
    assert job.wait(PATIENCE_S)
    assert job.state == "failed" and "does not match the SHA-256" in job.error


def test_without_torch_the_reason_is_shown(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")\n")

    def engine():
        found = find_engine()
        return replace(found, package=hidden, base={**found.base, "PYTHONPATH": str(PACKAGE)})

    queue = JobQueue(engine)
    job = queue.submit(job_for(tmp_path / "job", method="fbp", views=20))
    assert job.wait(PATIENCE_S)
    assert job.state == "failed" and "No module named 'torch'" in job.error
