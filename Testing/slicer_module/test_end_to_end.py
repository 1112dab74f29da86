"""The whole way: panel, Apply, a real child process with the shipped prior, result on the input, compare, .mrb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import driving
import numpy
import pytest

pytestmark = pytest.mark.slow


def attribute(node: Any, name: str) -> str | None:
    value = node.GetAttribute("CTDiffusionRecon." + name)
    return None if value is None else str(value)


def test_sample_to_diffusion_result_to_saved_scene(fresh: Any, panel: Any, tmp_path: Path) -> None:
    import slicer

    # the sample, by its button
    assert not panel.ui.applyButton.enabled and "volume" in panel.ui.applyButton.toolTip
    panel.ui.sampleButton.click()
    sample = panel._parameterNode.inputVolume
    assert sample is not None and slicer.util.arrayFromVolume(sample).shape == (64, 256, 256)
    assert panel.ui.inputSelector.currentNode() is sample

    # two slices of it, few views, few steps of the diffusion method with the shipped prior
    driving.choose(panel, sample, "dds", 24, **driving.QUICK)
    parameters = panel._parameterNode
    panel.ui.sliceChoiceComboBox.currentIndex = 1
    panel.ui.firstSliceSpinBox.value, panel.ui.lastSliceSpinBox.value = 30, 31
    assert (parameters.firstSlice, parameters.lastSlice) == (30, 31)
    job = driving.press_apply(panel)
    assert fresh.process_until(lambda: job.state == "running", 10)
    fresh.process_until(lambda: panel.ui.applyButton.text == "Cancel", 5)
    assert panel.ui.applyButton.text == "Cancel" and not panel.ui.progressBar.isHidden()
    driving.finish(fresh, job, 600)
    assert job.state == "done", f"{job.error}\n{job.log}"
    result = job.resultNode

    # exactly on the input, from slice 30 on; named and shown
    assert result.GetName().startswith("CT chest DDS 24 views")
    values, reference = slicer.util.arrayFromVolume(result), slicer.util.arrayFromVolume(sample)[30:32]
    assert values.shape == reference.shape
    wanted = slicer.util.arrayFromVTKMatrix(driving.ijk_to_ras(sample))
    wanted[:3, 3] += 30 * wanted[:3, 2]
    assert numpy.allclose(slicer.util.arrayFromVTKMatrix(driving.ijk_to_ras(result)), wanted, atol=1e-6)
    middle = numpy.s_[:, 64:192, 64:192]
    error = values[middle].astype(float) - numpy.clip(reference[middle], -1000, None)
    assert numpy.sqrt(numpy.mean(error**2)) < 200.0, "not a picture of the input"
    assert panel.ui.resultSelector.currentNode() is result
    assert "PSNR" in panel.ui.resultLabel.text and "dB" in panel.ui.resultLabel.text

    # provenance and numbers
    from CTDiffusionReconLib.engine.slicerengine import findJobFolder

    assert attribute(result, "Method") == "dds" and attribute(result, "Views") == "24"
    assert json.loads(attribute(result, "Parameters") or "{}") == driving.QUICK
    assert len(attribute(result, "PriorSHA256") or "") == 64 and attribute(result, "Prior")
    assert 15.0 < float(attribute(result, "PSNR") or 0) < 60.0
    assert findJobFolder(attribute(result, "JobFolder") or "/").is_dir()
    table = panel.logic.reconstruction.table.node()
    row = [table.GetCellText(0, column) for column in range(table.GetNumberOfColumns())]
    assert table.GetNumberOfRows() == 1 and "dds" in " ".join(row).lower()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, above = hierarchy.GetItemByDataNode(result), hierarchy.GetItemByDataNode(sample)
    assert item and above and hierarchy.GetItemParent(item) == above

    # FBP of the same, and both compared with the sample
    parameters.method = "fbp"
    plain = driving.run(fresh, panel)
    compare_and_scroll(fresh, panel, [sample, plain, result])

    # saved, closed, opened again
    before = {name: getattr(parameters, name) for name in ("method", "views", "methodParameters", "firstSlice", "beam")}
    names = {sample.GetName(), plain.GetName(), result.GetName()}
    sha = attribute(result, "ResultSHA256")
    bundle = tmp_path / "mein Fall é.mrb"
    assert slicer.util.saveScene(str(bundle))
    fresh.scene.Clear(0)
    fresh.process_until(lambda: False, 0.2)
    assert panel._parameterNode.inputVolume is None and not panel.ui.applyButton.enabled
    slicer.util.loadScene(str(bundle))
    fresh.process_until(lambda: False, 0.2)
    panel.enter()
    back = panel._parameterNode
    assert {name: getattr(back, name) for name in before} == before
    assert back.inputVolume.GetName() == sample_name(names) and back.resultVolume is not None
    assert panel.ui.viewsSpinBox.value == 24 and panel.ui.inputSelector.currentNode() is back.inputVolume
    again = slicer.util.getNode("CT chest DDS 24 views*")
    assert attribute(again, "ResultSHA256") == sha and attribute(again, "Method") == "dds"
    assert numpy.array_equal(slicer.util.arrayFromVolume(again), values)
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip


def sample_name(names: set[str]) -> str:
    return min(names, key=len)


def compare_and_scroll(session: Any, panel: Any, volumes: list[Any]) -> None:
    import slicer

    manager = slicer.app.layoutManager()
    manager.viewport().show()
    before = manager.layout
    panel.ui.compareCollapsibleButton.collapsed = False
    panel.comparePanel.check(volumes)
    assert panel.ui.compareButton.enabled
    panel.ui.compareButton.click()
    session.process_until(lambda: False, 0.3)
    assert manager.layout > 100 and manager.layout != before
    layout = panel.logic.comparison.layout
    widgets = [manager.sliceWidget(layout.tag("Axial", column)) for column in range(3)]
    shown = [widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() for widget in widgets]
    assert shown[0] == volumes[0].GetID() and set(shown) == {volume.GetID() for volume in volumes}
    logic = widgets[0].sliceLogic()
    logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
    logic.SetSliceOffset(logic.GetSliceOffset() + 2.5)
    logic.EndSliceNodeInteraction()
    offsets = {round(widget.sliceLogic().GetSliceOffset(), 4) for widget in widgets}
    assert len(offsets) == 1, "linked views scroll together"
    display = volumes[0].GetDisplayNode()
    display.SetWindowLevel(1200.0, -300.0)
    assert {volume.GetDisplayNode().GetWindow() for volume in volumes} == {1200.0}
    panel.ui.backButton.click()
    assert manager.layout == before


def test_oblique_left_handed_input_gets_its_result_exactly_on_it(fresh: Any, panel: Any) -> None:
    import slicer

    turn = 0.3
    axes = numpy.array([[numpy.cos(turn), -numpy.sin(turn), 0], [numpy.sin(turn), numpy.cos(turn), 0], [0, 0, -1.0]])
    matrix = numpy.eye(4)
    matrix[:3, :3] = axes @ numpy.diag([2.9, 2.9, 2.5])
    matrix[:3, 3] = (-100.0, 37.5, 900.25)
    volume = driving.slab(step=2, matrix=matrix)
    driving.choose(panel, volume, "fbp", 60)
    result = driving.run(fresh, panel)
    assert numpy.allclose(slicer.util.arrayFromVTKMatrix(driving.ijk_to_ras(result)), matrix, atol=1e-9)
    values, reference = slicer.util.arrayFromVolume(result), slicer.util.arrayFromVolume(volume)
    inner = numpy.s_[:, 32:96, 32:96]
    kept = numpy.corrcoef(values[inner].ravel(), reference[inner].ravel())[0, 1]
    assert kept > 0.8, "the result is turned or mirrored on its input"


def test_console_runs_without_the_panel(fresh: Any, panel: Any) -> None:
    import slicer

    logic = slicer.util.getModuleLogic("CTDiffusionRecon")
    volume = driving.slab(step=2)
    simulation = {"oversampling": 1}
    heard: list[str] = []
    job = logic.start(
        volume, "fbp", geometry="fan", views=20, simulation=simulation, onFinished=lambda done: heard.append(done.state)
    )
    assert job.wait(600) and heard == ["done"] and job.progress == 1.0
    options = {"geometry": "parallel", "views": 15, "simulation": simulation, "wait": True}
    first, second = logic.batch([volume, volume], "fbp", **options)
    assert first is not second and first.GetName() != second.GetName()
    assert numpy.array_equal(slicer.util.arrayFromVolume(first), slicer.util.arrayFromVolume(second))
    with pytest.raises(ValueError, match="viewz"):
        logic.reconstruct(volume, "fbp", viewz=3)


def test_the_modules_own_test_passes(fresh: Any, panel: Any) -> None:
    """What a real Slicer runs with "Reload and Test"."""
    import slicer

    slicer.selfTests["CTDiffusionRecon"](msec=0)


def test_reload_and_leaving_the_module_end_the_engine(fresh: Any, panel: Any) -> None:
    import slicer

    volume = driving.slab(step=2)
    driving.choose(panel, volume, "sirt", 30, iterations=10000)
    job = driving.press_apply(panel)
    assert fresh.process_until(lambda: job.step > 0, 600), job.log
    engine = job.worker_pid
    panel.parent.exit()
    fresh.process_until(lambda: False, 0.5)
    assert job.state == "running", "the user works in another module meanwhile"
    panel.parent.enter()
    panel.onReload()
    fresh.process_until(lambda: False, 0.2)
    again = slicer.modules.CTDiffusionReconWidget
    assert again is not panel and again._parameterNode.method == "sirt"
    import psutil

    assert not psutil.pid_exists(engine) or psutil.Process(engine).status() == psutil.STATUS_ZOMBIE
