"""The logic as the Python console works it, beside a panel that is open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import driving
import pytest
import sources
from misbehaving_engine import interpreter

pytest.importorskip("slicer")
FBP: dict[str, Any] = {"method": "fbp", "geometry": "fan", "views": 20}
needs_shell = pytest.mark.skipif(os.name == "nt", reason="the interpreter of this test is a shell script")


def use(folder: Path, **behaviour: Any) -> None:
    """Have the engine run by an interpreter that behaves so."""
    from CTDiffusionReconLib.engine import settings

    settings.setValue(settings.PYTHON, interpreter(folder, **behaviour))
    settings.setValue(settings.JOBS_FOLDER, str(folder / "jobs"))


def started_from_the_console(session: Any, panel: Any, folder: Path, seconds: float) -> Any:
    """A job of so many seconds, started once the panel has nothing to follow."""
    use(folder, seconds=seconds)
    volume = driving.slab(step=4)
    driving.choose(panel, volume)
    panel.outputPanel.stop()
    assert session.process_until(lambda: not panel.timer.isActive(), 5)
    return panel.logic.start(volume, **FBP)


@needs_shell
def test_the_panel_follows_a_job_that_it_did_not_start(fresh: Any, panel: Any, tmp_path: Path) -> None:
    job = started_from_the_console(fresh, panel, tmp_path, seconds=2)
    assert fresh.process_until(lambda: panel.ui.applyButton.text == "Cancel", 5)
    assert not panel.ui.progressBar.isHidden()
    panel.ui.viewsSpinBox.value = 33
    driving.finish(fresh, job, 60)
    assert job.state == "done" and panel.ui.progressBar.isHidden()
    assert panel.ui.applyButton.text == "Apply" and panel.ui.resultSelector.currentNode() is job.resultNode


@needs_shell
def test_a_click_does_what_the_button_said(fresh: Any, panel: Any, tmp_path: Path) -> None:
    started = started_from_the_console(fresh, panel, tmp_path, seconds=1)
    assert panel.ui.applyButton.text == "Apply"
    panel.ui.applyButton.click()
    waiting = panel.logic.queue.jobs[-1]
    assert (started.state, waiting.state) == ("running", "queued") and started.stopping_since is None
    assert panel.ui.applyButton.text == "Cancel"
    panel.timer.stop()
    assert fresh.process_until(lambda: started.finished, 60)
    panel.ui.applyButton.click()
    assert waiting.stopping_since is None and len(panel.logic.queue.jobs) == 2, "the one that it named has ended"
    driving.finish(fresh, waiting, 60)
    assert (started.state, waiting.state) == ("done", "done")


@needs_shell
def test_a_batch_with_a_label_map_starts_nothing(fresh: Any, panel: Any, tmp_path: Path) -> None:
    import slicer

    use(tmp_path)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    with pytest.raises(ValueError, match="labels: a label map"):
        panel.logic.batch([driving.slab(step=4), labels], **FBP)
    assert panel.logic.queue.jobs == []
    heard: list[str] = []
    jobs = panel.logic.batch(iter([driving.slab(step=4)]), **FBP, onFinished=lambda job: heard.append(job.state))
    driving.finish(fresh, jobs[0], 60)
    assert heard == ["done"]


@needs_shell
def test_the_engines_refusal_names_the_volume_and_the_check_box(fresh: Any, panel: Any, tmp_path: Path) -> None:
    import numpy as np
    import slicer
    from ctdiffusion.images.hounsfield import to_hounsfield

    with pytest.raises(ValueError, match="not HU") as refusal:
        to_hounsfield(np.arange(1000.0).reshape(10, 10, 10), "input.nrrd", False)
    use(tmp_path, code=1, say=f"error: {refusal.value}")
    driving.choose(panel, driving.slab("Head 1", step=4))
    job = driving.finish(fresh, driving.press_apply(panel), 60)
    assert job.error.startswith("Head 1: values from 0 to 999") and job.error == panel.ui.errorLabel.text
    box = sources.panel().find(".//widget[@name='assumeHUCheckBox']/property[@name='text']/string")
    assert box is not None and f"check '{box.text}'" in job.error
    assert "input.nrrd" not in job.error and "--assume-hu" not in job.error
    job.take({"event": "warning", "text": "input.nrrd: 3 % of the voxels"})
    assert job.warnings == ["Head 1: 3 % of the voxels"]
    thin = panel.logic.superResolve(slicer.util.getNode("Head 1"), "linear", wait=False)
    driving.finish(fresh, thin, 60)
    assert thin.error.startswith("Head 1: ") and "check 'Assume HU' under Advanced" in thin.error
    assert panel.thinAdvancedPanel.controls["thinAssumeHU"].label.text == "Assume HU:"
    assert panel.ui.thinAdvancedCollapsibleButton.text == "Advanced" and "--assume-hu" not in thin.error


def far_volume(name: str = "far") -> Any:
    """A volume node half a metre from everything."""
    import numpy as np
    import slicer

    place = np.eye(4)
    place[:3, 3] = 500.0
    return slicer.util.addVolumeFromArray(np.zeros((4, 8, 8), np.float32), ijkToRAS=place, name=name)


def test_sinogram_and_residual_are_loaded_once(fresh: Any, panel: Any, tmp_path: Path) -> None:
    import slicer

    result = far_volume("result")
    (tmp_path / "result").mkdir()
    for file in ("projections.nrrd", "residual.nrrd"):
        slicer.util.saveNode(result, str(tmp_path / "result" / file))
    result.SetAttribute("CTDiffusionRecon.JobFolder", str(tmp_path))
    load = panel.logic.reconstruction.loadSinograms
    first, before = load(result), slicer.mrmlScene.GetNumberOfNodes()
    assert [node.GetName() for node in first] == ["result projections", "result residual"]
    assert load(result) == first and slicer.mrmlScene.GetNumberOfNodes() == before
    slicer.mrmlScene.RemoveNode(first[1])
    again = load(result)
    assert again[0] is first[0] and again[1] is not first[1] and again[1].GetScene() is slicer.mrmlScene


@pytest.mark.parametrize(("kind", "seen"), [("projections", True), ("volume", False)])
def test_a_result_of_measured_projections_is_brought_into_view(
    fresh: Any, panel: Any, tmp_path: Path, kind: str, seen: bool
) -> None:
    """It has a frame of its own; one of a volume leaves the views as the user has set them."""
    import slicer
    from CTDiffusionReconLib.queue.job import ReconstructionJob
    from CTDiffusionReconLib.queue.request import request_for

    slicer.app.layoutManager().viewport().show()
    node = far_volume()
    job = ReconstructionJob(tmp_path, request_for())
    job.state, job.kind, job.resultNode = "done", kind, node
    panel.timer.stop()
    panel.logic.queue.jobs.append(job)
    panel.resultsPanel.followJobs()
    panel.logic.queue.jobs.remove(job)
    views = [widget.mrmlSliceNode() for widget in map(slicer.app.layoutManager().sliceWidget, ("Red", "Green"))]
    distances = [max(abs(view.GetSliceToRAS().GetElement(axis, 3) - 500.0) for axis in range(3)) for view in views]
    assert (max(distances) < 20.0) is seen
