"""The section that makes thin slices: what it asks for, what it refuses, its jobs."""

from __future__ import annotations

import json
import os
from typing import Any

import driving
import pytest
from misbehaving_engine import interpreter

pytest.importorskip("slicer")


def thick(
    name: str = "MR", slices: int = 4, size: int = 16, spacing: tuple[float, float, float] = (1.0, 1.0, 3.0)
) -> Any:
    """A smooth volume node whose values cannot be HU, turned about an axis."""
    import numpy as np
    import slicer

    k, j, i = np.mgrid[:slices, :size, :size]
    values = (5000 + 300 * np.sin(0.4 * i) * np.cos(0.5 * j) + 200 * k).astype(np.float32)
    place = np.diag([*spacing, 1.0])
    place[:3, 3] = (5.0, -7.0, 11.0)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    return slicer.util.addVolumeFromArray(values, ijkToRAS=turn @ place, name=name)


def select(panel: Any, volume: Any, method: str = "linear") -> None:
    panel.ui.thickSelector.setCurrentNode(volume)
    panel.ui.thinMethodComboBox.currentIndex = list(panel.thinSlicesPanel.methods).index(method)
    assert panel._parameterNode.thickVolume is volume and panel._parameterNode.thinMethod == method


def press(panel: Any) -> Any:
    """Click on the section's button; returns the job that it started."""
    button, jobs = panel.ui.thinButton, panel.logic.queue.jobs
    assert button.enabled and button.text == "Make thin slices", button.toolTip
    before = len(jobs)
    button.click()
    assert len(jobs) == before + 1, panel.ui.errorLabel.text
    return jobs[-1]


def shown(panel: Any, *names: str) -> list[bool]:
    return [not getattr(panel.ui, name).isHidden() for name in names]


def test_it_is_closed_at_first_and_takes_no_volume_by_itself(panel: Any) -> None:
    assert panel.ui.thinCollapsibleButton.collapsed
    volume = thick()
    assert panel._parameterNode.thickVolume is None
    assert not panel.ui.thinButton.enabled
    assert panel.ui.thinButton.toolTip == panel.ui.thinNoteLabel.text == "Choose a volume with thick slices."
    panel.ui.thickSelector.setCurrentNode(volume)
    assert panel.ui.thinButton.enabled and panel._parameterNode.thickVolume is volume
    assert shown(panel, "thinQueueButton", "thinExplanationLabel") == [False, False]


def test_it_offers_the_registered_methods_with_their_parameters(panel: Any) -> None:
    from ctdiffusion.core.schema import describe
    from ctdiffusion.methods.registry import SUPERRESOLUTION, methods

    box, section, parameters = panel.ui.thinMethodComboBox, panel.thinSlicesPanel, panel._parameterNode
    known = list(methods(SUPERRESOLUTION).values())
    assert [box.itemText(row) for row in range(box.count)] == [method.title for method in known]
    assert parameters.thinMethod == "zsr" and box.itemText(box.currentIndex) == "ZSR"
    panel.ui.thinExplainButton.checked = True
    for row, method in enumerate(known):
        box.currentIndex = row
        assert parameters.thinMethod == method.name
        assert list(section.panel.controls) == [item.name for item in describe(method.parameters)]
        assert method.source[:8] in panel.ui.thinExplanationLabel.text
        assert shown(panel, "thinPresetComboBox") == [bool(method.presets)]
    assert parameters.thinParameters == "{}", "looking at a method changes nothing"


def test_what_it_asks_for_is_what_the_engine_reads(panel: Any) -> None:
    from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec

    parameters, section = panel._parameterNode, panel.thinSlicesPanel
    select(panel, thick(), "zsr")
    parameters.seed = 7
    panel.ui.deviceComboBox.currentIndex = 1
    spec = SuperResolutionSpec.from_dict(section.request().to_dict())
    assert (spec.method, spec.factor, spec.prior, spec.device, spec.seed) == ("zsr", None, None, "cpu", 7)
    assert spec.parameters == {}
    panel.ui.thinFactorSpinBox.value = 5
    section.panel.controls["planes"].setValue("sagittal")
    spec = SuperResolutionSpec.from_dict(section.request().to_dict())
    assert spec.factor == 5 and spec.parameters == {"planes": "sagittal"}
    assert json.loads(parameters.thinParameters) == {"zsr": {"planes": "sagittal"}}


def test_published_settings_and_back(panel: Any) -> None:
    parameters, box = panel._parameterNode, panel.ui.thinPresetComboBox
    assert [box.itemText(row) for row in range(box.count)] == ["Tuned defaults", "As published"]
    box.currentIndex = 1
    assert json.loads(parameters.thinParameters)["zsr"]["planes"] == "coronal"
    assert panel.thinSlicesPanel.panel.controls["steps"].value() == 5
    panel.thinSlicesPanel.panel.controls["steps"].editor.value = 6
    assert box.itemText(box.currentIndex) == "Own settings"
    box.currentIndex = 0
    assert parameters.thinParameters == "{}" and panel.thinSlicesPanel.panel.controls["steps"].value() == 12


def test_it_tells_what_becomes_of_the_slices(panel: Any) -> None:
    select(panel, thick(slices=25, spacing=(0.78, 0.78, 6.5)))
    assert panel.ui.thinNoteLabel.text == "25 slices of 6.50 mm become 200 of 0.81 mm (factor 8)."
    panel.ui.thinFactorSpinBox.value = 4
    assert panel.ui.thinNoteLabel.text == "25 slices of 6.50 mm become 100 of 1.62 mm (factor 4)."
    assert panel.ui.thinFactorSpinBox.maximum == 8 and panel.ui.thinFactorSpinBox.minimum == 1


@pytest.mark.parametrize("spacing", [(1, 1, 3), (0.78, 0.78, 6.5), (0.5, 2.0, 2.5), (1, 1, 3.5), (1, 1, 1), (1, 1, 99)])
def test_the_automatic_factor_is_that_of_the_engine(slicer_session: Any, spacing: tuple[float, float, float]) -> None:
    import numpy as np
    from ctdiffusion.images.volume import Volume
    from ctdiffusion.superresolution.thin import automatic_factor
    from CTDiffusionReconLib.panel.thinslicespanel import AUTOMATIC, thinText

    volume = Volume(np.zeros((2, 2, 2), np.float32), spacing, (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    node = thick(slices=2, spacing=spacing)
    assert f"(factor {automatic_factor(volume)[0]})" in thinText(node, AUTOMATIC)


def test_what_cannot_be_is_refused_before_it_starts(panel: Any) -> None:
    import numpy as np
    import slicer

    parameters, ui = panel._parameterNode, panel.ui
    select(panel, thick(slices=1))
    assert not ui.thinButton.enabled
    assert ui.thinButton.toolTip == ui.thinNoteLabel.text == "The volume has one slice; at least two are needed."
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    select(panel, empty)
    assert not ui.thinButton.enabled and ui.thinButton.toolTip == "The volume has no voxels."
    slicer.util.updateVolumeFromArray(empty, np.ones((3, 8, 8), np.float32))
    assert ui.thinButton.enabled, "voxels came after the node"
    for text, said in (('{"linear": {"magic": 1}}', "magic"), ('{"linear": {"consistent": 3}}', "consistent")):
        parameters.thinParameters = text
        assert not ui.thinButton.enabled and said in ui.thinButton.toolTip and said in ui.thinNoteLabel.text
    parameters.thinParameters = "{}"
    parameters.thinMethod = "magic"
    assert not ui.thinButton.enabled and ui.thinNoteLabel.text == "The method magic is not part of this version."
    slicer.mrmlScene.RemoveNode(empty)
    parameters.thinMethod = "tv"
    assert ui.thinNoteLabel.text == "Choose a volume with thick slices."


def test_choices_come_back_with_the_scene(panel: Any, fresh: Any, tmp_path: Any) -> None:
    import slicer

    select(panel, thick("kept"), "tv")
    panel.ui.thinFactorSpinBox.value = 3
    panel.thinSlicesPanel.panel.controls["iterations"].editor.value = 9
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    fresh.scene.Clear(0)
    slicer.util.loadScene(path)
    panel.enter()
    again = panel._parameterNode
    assert (again.thinMethod, again.thinFactor, again.thickVolume.GetName()) == ("tv", 3, "kept")
    assert panel.thinSlicesPanel.panel.controls["iterations"].value() == 9


def test_thin_slices_of_the_real_engine_lie_in_their_thick_ones(fresh: Any, panel: Any) -> None:
    import numpy as np
    import slicer

    volume = thick()
    select(panel, volume, "linear")
    job = driving.finish(fresh, press(panel), 120)
    assert job.state == "done", f"{job.error}\n{job.log}"
    node = job.resultNode
    assert node.GetName() == "MR LINEAR" and node.GetImageData().GetDimensions() == (16, 16, 12)
    from_thick = slicer.util.arrayFromVTKMatrix(driving.ijk_to_ras(volume))
    from_thin = slicer.util.arrayFromVTKMatrix(driving.ijk_to_ras(node))
    assert np.allclose(from_thin @ [3, 4, 7, 1], from_thick @ [3, 4, 2, 1]), "the middle one of three"
    found, wanted = slicer.util.arrayFromVolume(node)[1::3], slicer.util.arrayFromVolume(volume)
    assert np.abs(found - wanted).max() < 1.0, "linear interpolation meets the centres"
    assert node.GetNodeReference("CTDiffusionRecon.Input") is volume
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == hierarchy.GetItemByDataNode(volume)
    assert panel.ui.resultSelector.currentNode() is node
    buttons = (panel.ui.sinogramButton, panel.ui.residualButton, panel.ui.measureButton)
    assert not any(button.enabled for button in buttons), "there are no projections"
    assert panel.ui.thinButton.text == "Make thin slices" and panel.ui.errorFrame.isHidden()


@pytest.mark.skipif(os.name == "nt", reason="the interpreter of this test is a shell script")
def test_a_job_is_cancelled_queued_explained_and_retried_as_any_other(fresh: Any, panel: Any, tmp_path: Any) -> None:
    import slicer
    from CTDiffusionReconLib.engine import settings

    settings.setValue(settings.PYTHON, interpreter(tmp_path, seconds=60))
    select(panel, thick())
    job = press(panel)
    assert fresh.process_until(lambda: job.state == "running", 20)
    assert panel.ui.thinButton.text == panel.ui.applyButton.text == "Cancel"
    assert shown(panel, "progressBar", "thinQueueButton", "queueButton") == [True, True, True]
    panel.ui.thinFactorSpinBox.value = 2
    panel.ui.thinQueueButton.click()
    waiting = panel.logic.queue.jobs[-1]
    assert waiting is not job and waiting.state == "queued" and waiting.request.factor == 2
    settings.setValue(settings.PYTHON, interpreter(tmp_path, code=1, say="error: input: strange slices"))
    panel.ui.thinButton.click()
    driving.finish(fresh, job, 20)
    driving.finish(fresh, waiting, 60)
    assert (job.state, waiting.state) == ("cancelled", "failed")
    assert not panel.ui.errorFrame.isHidden() and "strange slices" in panel.ui.errorLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    settings.setValue(settings.PYTHON, interpreter(tmp_path, seconds=60))
    panel.ui.retryButton.click()
    again = panel.logic.queue.jobs[-1]
    assert again not in (job, waiting) and again.request == waiting.request
    again.cancel()
    driving.finish(fresh, again, 20)


def test_retry_after_a_failed_installation_starts_what_was_wanted(panel: Any, monkeypatch: Any) -> None:
    from types import SimpleNamespace

    missing = [SimpleNamespace(text="torch is missing", log="pip's last words"), None]
    monkeypatch.setattr(panel.applyPanel, "missingPackages", lambda: missing.pop(0))
    started: list[Any] = []
    monkeypatch.setattr(panel.thinSlicesPanel, "start", lambda: started.append("thin"))
    monkeypatch.setattr(panel.applyPanel, "start", lambda: started.append("apply"))
    select(panel, thick())
    panel.ui.thinButton.click()
    assert started == [] and panel.ui.errorLabel.text == "torch is missing"
    panel.ui.retryButton.click()
    assert started == ["thin"] and panel.ui.errorFrame.isHidden()
