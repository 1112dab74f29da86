"""The live preview in the scene, and children by Qt."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import psutil
import pytest
from fake_engine import FakeEngine, make_folder
from nodes import matrix, volume_node

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def picture(path, rows: int, columns: int) -> np.ndarray:
    """A preview as the engine writes it; returns its HU."""
    import torch
    from ctdiffusion.jobmonitor import write_preview

    hu = np.linspace(-1000, 1000, rows * columns).reshape(rows, columns).astype(np.float32)
    write_preview(torch.from_numpy(hu), path)
    return hu


@pytest.mark.parametrize("size", [32, 16])
def test_the_preview_lies_in_the_middle_slice(scene, tmp_path, size):
    import slicer
    from CTDiffusionReconLib.inputs import recordOf
    from CTDiffusionReconLib.job import ReconstructionJob
    from CTDiffusionReconLib.preview import Preview
    from CTDiffusionReconLib.request import ReconstructionRequest

    job = ReconstructionJob(tmp_path, ReconstructionRequest(slices=(1, 4)), "job")
    preview = Preview(job, recordOf(volume_node(), 0))
    assert not preview.update()
    hu = picture(tmp_path / "preview.png", size, size)
    event = {"event": "step", "phase": "dds", "step": 1, "total": 4, "preview": "preview.png"}
    job.take(event)
    assert preview.update() and not preview.update(), "each picture is shown once"
    found = slicer.util.arrayFromVolume(preview.node)
    assert found.shape == (1, size, size)
    assert np.abs(found[0] - hu).max() < 2000 / 255 + 1e-3
    placed = np.eye(4)
    for i in range(4):
        for j in range(4):
            placed[i, j] = preview._place(preview.node.GetImageData()).GetElement(i, j)
    # The outer edges of picture and slice coincide.
    edge = placed @ [size - 0.5, size - 0.5, 0, 1]
    assert np.allclose(edge, matrix() @ [31.5, 31.5, 2, 1]) and np.allclose(
        placed @ [-0.5, -0.5, 0, 1], matrix() @ [-0.5, -0.5, 2, 1]
    )
    assert preview.node.GetHideFromEditors() and not preview.node.GetSaveWithScene()
    (tmp_path / "preview.png").write_bytes(b"\x89PNG half")
    job.take(event)
    assert not preview.update() and preview.node.GetImageData().GetDimensions() == (size, size, 1)
    job.state = "done"
    preview.update()
    assert preview.node is None and slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1


@pytest.fixture
def queue(session):
    from CTDiffusionReconLib.jobs import JobQueue
    from CTDiffusionReconLib.qprocessrunner import QProcessRunner

    made = JobQueue(FakeEngine, QProcessRunner)
    yield made
    made.shutdown()


def job_in(folder, **behaviour):
    from CTDiffusionReconLib.job import ReconstructionJob
    from CTDiffusionReconLib.request import ReconstructionRequest

    return ReconstructionJob(make_folder(folder, **behaviour), ReconstructionRequest())


@pytest.mark.parametrize(
    ("behaviour", "state", "error"),
    [
        ({}, "done", None),
        ({"kill": signal.SIGKILL}, "failed", "the engine killed, probably out of memory"),
        ({"kill": signal.SIGSEGV}, "failed", "the engine crashed (SIGSEGV)"),
        ({"result": False, "code": 7, "stderr": "no torch"}, "failed", "the engine ended with exit code 7: no torch"),
    ],
)
def test_how_children_of_qt_end(queue, tmp_path, behaviour, state, error):
    job = queue.submit(job_in(tmp_path / "Ärzte & Söhne", **behaviour))
    assert job.wait(15)
    assert (job.state, job.error) == (state, error)


def test_a_flood_by_way_of_qt(queue, tmp_path):
    job = queue.submit(job_in(tmp_path / "job", flood=20))
    assert job.wait(40)
    assert job.state == "done" and "the last line" in job.log and job.runner.stdout.total > 20_000_000


@pytest.mark.parametrize("behaviour", [{}, {"deaf": True, "grandchild": True}, {"exec": True, "deaf": True}])
def test_cancel_by_way_of_qt(queue, tmp_path, behaviour):
    job = queue.submit(job_in(tmp_path / "job", sleep=60, **behaviour))
    end = time.monotonic() + 15
    while not (job.folder / "asleep").exists():
        queue.poll(0.02)
        assert time.monotonic() < end
    queue.poll()
    family = [p.pid for p in psutil.Process(job.runner.pid).children(recursive=True)] + [job.runner.pid]
    since = time.monotonic()
    job.cancel()
    assert job.wait(3) and time.monotonic() - since < 2.0
    assert job.state == "cancelled"
    end = time.monotonic() + 1
    while any(psutil.pid_exists(p) and psutil.Process(p).status() != "zombie" for p in family):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_qt_cannot_start(session, tmp_path):
    from CTDiffusionReconLib.qprocessrunner import QProcessRunner

    runner = QProcessRunner()
    with pytest.raises(OSError, match="/no/such/program"):
        runner.start(["/no/such/program"], dict(os.environ), tmp_path)
    assert not runner.is_running and runner.exit_code is None
