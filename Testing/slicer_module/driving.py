"""Works the panel as a user does: chooses, presses, waits for the real child process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "Sample" / "LIDC-IDRI-0001_256x256x64.nii.gz"
QUICK = {"steps": 3, "final_cg": 2}


def slab(name: str = "CT", slices: tuple[int, int] = (30, 32), step: int = 1, matrix: Any = None) -> Any:
    """A volume node with a few slices of the sample, thinned in the plane by `step` where time is short."""
    import numpy
    import slicer

    whole = slicer.util.loadVolume(str(SAMPLE), {"show": False})
    values = slicer.util.arrayFromVolume(whole)[slices[0] : slices[1], ::step, ::step].copy()
    scaling = numpy.diag([step, step, 1.0, 1.0])
    scaling[2, 3] = slices[0]
    place = slicer.util.arrayFromVTKMatrix(ijk_to_ras(whole)) @ scaling if matrix is None else matrix
    slicer.mrmlScene.RemoveNode(whole)
    return slicer.util.addVolumeFromArray(values, ijkToRAS=place, name=name)


def ijk_to_ras(node: Any) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def choose(panel: Any, volume: Any, method: str = "fbp", views: int = 20, **parameters: Any) -> None:
    """Set what the panel's controls set; the quickest simulation."""
    node = panel._parameterNode
    node.inputVolume = volume
    node.method = method
    node.oversampling = 1
    node.methodParameters = json.dumps({method: parameters} if parameters else {})
    panel.ui.viewsSpinBox.value = views


def press_apply(panel: Any) -> Any:
    """Click on Apply; returns the job that it started."""
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    assert panel.ui.applyButton.text == "Apply"
    before = len(panel.logic.queue.jobs)
    panel.ui.applyButton.click()
    assert len(panel.logic.queue.jobs) == before + 1, panel.ui.errorLabel.text
    return panel.logic.queue.jobs[-1]


def finish(session: Any, job: Any, seconds: float = 600.0) -> Any:
    """Let Slicer's event loop run until the job has ended; returns the job."""
    ended = session.process_until(lambda: job.finished, seconds)
    assert ended, f"{job.state} after {seconds} s\n{job.log}"
    session.process_until(lambda: False, 0.3)  # the panel's own timer
    return job


def run(session: Any, panel: Any, seconds: float = 600.0) -> Any:
    """Apply and wait; returns the result's node."""
    job = finish(session, press_apply(panel), seconds)
    assert job.state == "done", f"{job.error}\n{job.log}"
    return job.resultNode


def children(pid: int | None = None) -> list[Any]:
    """Every living process below this one."""
    import psutil

    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
