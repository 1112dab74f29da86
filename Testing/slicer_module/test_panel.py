"""The sections of the panel without an engine: rows, presets, parameters, what Apply says."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer")


def shown(panel: Any, *names: str) -> list[bool]:
    return [not getattr(panel.ui, name).isHidden() for name in names]


def add_volume(name: str = "CT", size: int = 24) -> Any:
    import numpy as np
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.full((size, size, size), 40, np.int16))
    node.SetSpacing(1.5, 1.5, 2.0)
    node.CreateDefaultDisplayNodes()
    return node


def test_empty_scene_offers_the_sample(panel: Any) -> None:
    assert shown(panel, "sampleButton", "projectionsPathLineEdit", "queueButton") == [True, False, False]
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "Choose a CT volume."
    node = add_volume()
    panel._parameterNode.inputVolume = node
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    assert panel.ui.applyButton.text == "Apply"
    assert shown(panel, "sampleButton") == [False]
    assert "24 × 24 × 24" in panel.ui.inputNoteLabel.text
    assert "GB of memory" in panel.ui.estimateLabel.text


def test_only_the_rows_of_the_beam_are_shown(panel: Any) -> None:
    from CTDiffusionReconLib.scene.parameternode import Beam, InputKind, ViewSet

    parameters = panel._parameterNode
    rows = ("sourceToIsocentreSpinBox", "columnsWidget", "rowsWidget", "arcSpinBox", "limitedSpanSpinBox")
    assert shown(panel, *rows) == [False, False, False, True, False]
    parameters.machine = "custom"
    parameters.beam = Beam.PARALLEL
    assert shown(panel, *rows) == [False, True, False, True, False]
    parameters.beam = Beam.CONE
    parameters.viewSet = ViewSet.LIMITED
    assert shown(panel, *rows) == [True, True, True, False, True]
    parameters.inputKind = InputKind.PROJECTIONS
    assert shown(panel, "scanCollapsibleButton", "noiseCollapsibleButton", "inputSelector") == [False] * 3
    assert shown(panel, "projectionsPathLineEdit", "measuredViewsSpinBox") == [True, True]
    assert panel.ui.applyButton.toolTip == "Choose a file of measured projections."


def test_a_scanner_fills_in_its_numbers_and_an_edit_makes_them_ones_own(panel: Any) -> None:
    from CTDiffusionReconLib.scene.parameternode import Beam

    parameters, box = panel._parameterNode, panel.ui.machineComboBox
    box.currentIndex = next(i for i in range(box.count) if "on-board imager" in box.itemText(i))
    assert (parameters.machine, parameters.beam) == ("cbct-obi", Beam.CONE)
    assert (parameters.sourceToDetector, parameters.detectorRows, parameters.rowSpacing) == (1500.0, 768, 0.388)
    assert "magnification 1.50" in panel.ui.scanNoteLabel.text
    panel.ui.sourceToDetectorSpinBox.value = 1400.0
    assert parameters.machine == "custom" and box.itemText(box.currentIndex).startswith("Own")
    box.currentIndex = 1
    assert parameters.beam == Beam.FAN_CURVED
    panel.ui.beamComboBox.currentIndex = 0
    assert parameters.machine == "fitted", "a parallel beam is none of that scanner"


def test_a_field_too_small_is_told_before_apply(panel: Any) -> None:
    parameters = panel._parameterNode
    parameters.inputVolume = add_volume(size=40)
    parameters.machine = "custom"
    parameters.detectorColumns = 10
    assert "Field of view 8 mm" in panel.ui.scanNoteLabel.text
    assert "volume's field of view needs 30.0 mm." in panel.ui.scanNoteLabel.text
    parameters.sourceToDetector = 100.0
    assert "nearer to the source" in panel.ui.scanNoteLabel.text
    assert not panel.ui.applyButton.enabled and "nearer to the source" in panel.ui.applyButton.toolTip


def test_the_note_of_a_fitted_scan_is_the_engines(panel: Any) -> None:
    from ctdiffusion.scan.beams import Grid
    from ctdiffusion.scan.machines import default_geometry
    from CTDiffusionReconLib.scene.parameternode import Beam

    parameters, note = panel._parameterNode, panel.ui.scanNoteLabel
    for beam in Beam:
        parameters.beam = beam
        assert note.text == "The detector will be fitted to the volume."
    parameters.beam = Beam.FAN
    node = add_volume()
    parameters.inputVolume = node
    assert note.text.startswith("570 mm to the isocentre, 1040 mm to the detector;")
    node.SetSpacing(32.0, 32.0, 2.0)
    panel.onParametersModified()
    wide = default_geometry("fan", (0.0, 1.0), Grid((24, 24, 24), (2.0, 32.0, 32.0)))
    assert wide.source_to_isocentre > 600.0
    assert f"{wide.source_to_isocentre:.1f} mm to the isocentre, {wide.source_to_detector:.1f} mm to" in note.text


def test_the_field_of_view_is_what_the_views_see_together(panel: Any) -> None:
    """Half-fan and cone beam."""
    from CTDiffusionReconLib.scene.parameternode import Beam, SliceChoice

    parameters, note = panel._parameterNode, panel.ui.scanNoteLabel
    parameters.machine, parameters.beam = "custom", Beam.CONE
    parameters.sourceToIsocentre, parameters.sourceToDetector = 1000.0, 1500.0
    parameters.detectorColumns, parameters.columnSpacing, parameters.columnOffset = 500, 0.8, 150.0
    assert "Field of view 454 mm" in note.text, "opposite views see the other side"
    parameters.arc = 200.0
    assert "Field of view 67 mm" in note.text
    parameters.arc = 0.0
    parameters.inputVolume = add_volume()
    assert "truncated" not in note.text
    parameters.detectorRows = 16
    assert note.text.endswith("along z: the end slices are truncated.")
    parameters.sliceChoice, parameters.firstSlice, parameters.lastSlice = SliceChoice.RANGE, 10, 12
    assert "truncated" not in note.text, "three slices fit"


def test_choices_are_those_of_the_engine(panel: Any) -> None:
    from ctdiffusion.jobs.reconstruction_spec import INPUT_KINDS
    from ctdiffusion.jobs.spec import DEVICES
    from ctdiffusion.operators.slice_profiles import FACTORS
    from ctdiffusion.scan.machines import KINDS, MACHINES
    from CTDiffusionReconLib.scene.parameternode import Beam, InputKind

    assert tuple(beam.value for beam in Beam) == KINDS and tuple(kind.value for kind in InputKind) == INPUT_KINDS
    assert panel.ui.deviceComboBox.count == len(DEVICES) and panel.ui.machineComboBox.count == len(MACHINES) + 2
    ranges = {"photons": (10.0, 1e12), "electronic": (0.0, 1e6), "oversampling": (1, 8), "seed": (0, 2147483647)}
    for name, (low, high) in {**ranges, "views": (1, 10_000), "thinFactor": (1, FACTORS[1])}.items():
        box = getattr(panel.ui, f"{name}SpinBox")
        assert (box.minimum, box.maximum) == (low, high), name
        assert box.value == getattr(panel._parameterNode, name)


def test_advanced_shows_what_no_other_section_has(panel: Any) -> None:
    """And hides what belongs to a simulation where nothing is simulated."""
    from CTDiffusionReconLib.scene.parameternode import InputKind

    parameters, section = panel._parameterNode, panel.advancedPanel
    assert list(section.controls) == ["sameGrid", "keepProjections"]
    assert panel.ui.advancedCollapsibleButton.collapsed and panel.ui.thinAdvancedCollapsibleButton.collapsed
    assert [control.value() for control in section.controls.values()] == [False, True]
    section.controls["keepProjections"].editor.checked = False
    section.controls["sameGrid"].editor.checked = True
    assert not parameters.keepProjections and parameters.sameGrid
    request = panel.applyPanel.request()
    assert not request.keep_projections and request.simulation.same_grid
    parameters.inputKind = InputKind.PROJECTIONS
    assert section.controls["sameGrid"].widget.isHidden() and not section.controls["keepProjections"].widget.isHidden()
    parameters.inputKind, parameters.keepProjections = InputKind.VOLUME, True
    assert section.controls["keepProjections"].value() and not section.controls["sameGrid"].label.isHidden()
    thin = panel.thinAdvancedPanel.controls
    assert list(thin) == ["thinAssumeHU", "thinProfile", "thinProfileMm", "thinSimulateFromThin"]
    thin["thinProfile"].editor.currentIndex = 1
    assert parameters.thinProfile == "gaussian"
    with pytest.raises(ValueError, match=r"^profile_mm: expected"):
        panel.thinSlicesPanel.request()
    thin["thinProfileMm"].automatic.checked = False
    thin["thinProfileMm"].editor.value = 2.5
    assert parameters.thinProfileMm == "2.5" and panel.thinSlicesPanel.request().profile_mm == 2.5


def test_every_method_has_its_own_controls(panel: Any) -> None:
    from ctdiffusion.core.schema import describe
    from ctdiffusion.methods.registry import methods

    for method in methods().values():
        panel._parameterNode.method = method.name
        controls = panel.methodSection.panel.controls
        assert list(controls) == [item.name for item in describe(method.parameters)]
        for item in describe(method.parameters):
            control = controls[item.name]
            assert control.value() == item.default, (method.name, item.name)
            assert html.escape(item.text) in control.widget.toolTip
        assert shown(panel, "priorWidget") == [method.needs_prior]
        assert html.escape(method.source)[:8] in panel.ui.methodExplanationLabel.text
    assert panel._parameterNode.methodParameters == "{}", "looking at a method changes nothing"


def test_edited_parameters_are_kept_by_method_and_reset(panel: Any) -> None:
    parameters = panel._parameterNode
    parameters.method = "sirt"
    panel.methodSection.panel.controls["iterations"].editor.value = 7
    parameters.method = "tv"
    control = panel.methodSection.panel.controls["strength"]
    assert control.value() is None and not control.editor.enabled
    control.automatic.checked = False
    control.editor.value = 1.25
    assert json.loads(parameters.methodParameters) == {"sirt": {"iterations": 7}, "tv": {"strength": 1.25}}
    parameters.method = "sirt"
    assert panel.methodSection.panel.controls["iterations"].value() == 7
    panel.ui.defaultsButton.click()
    assert json.loads(parameters.methodParameters) == {"tv": {"strength": 1.25}}
    assert panel.methodSection.panel.controls["iterations"].value() == 100


def test_a_scene_with_impossible_parameters_cannot_be_applied(panel: Any) -> None:
    parameters = panel._parameterNode
    parameters.inputVolume = add_volume()
    parameters.method = "sirt"
    for text, said in (('{"sirt": {"iterations": 100000}}', "iterations"), ('{"sirt": {"magic": 1}}', "magic")):
        parameters.methodParameters = text
        assert not panel.ui.applyButton.enabled and said in panel.ui.applyButton.toolTip
    panel.ui.defaultsButton.click()
    assert panel.ui.applyButton.enabled


def test_what_cannot_be_reconstructed_cannot_be_applied(panel: Any, tmp_path: Path) -> None:
    from CTDiffusionReconLib.scene.parameternode import InputKind, SliceChoice, ViewSet

    parameters, button = panel._parameterNode, panel.ui.applyButton
    node = add_volume()
    possible = {"inputVolume": node, "sliceChoice": SliceChoice.ALL, "viewSet": ViewSet.ARC, "views": 30,
                "machine": "fitted", "outputVolume": None, "inputKind": InputKind.VOLUME}  # fmt: skip
    cases: list[tuple[str, dict[str, Any]]] = [
        ("outside the volume's 0:24", {"sliceChoice": SliceChoice.RANGE, "firstSlice": 20, "lastSlice": 24}),
        ("puts the source inside the volume", {"machine": "custom", "sourceToIsocentre": 20.0}),
        ("same angle", {"viewSet": ViewSet.LIST, "angles": "0 0"}),
        ("a full turn of 360 degrees", {"viewSet": ViewSet.LIST, "angles": "0 400"}),
        ("at least 2 views", {"viewSet": ViewSet.LIMITED, "views": 1}),
        ("another volume than the input", {"outputVolume": node}),
        ("no such file", {"inputKind": InputKind.PROJECTIONS, "projectionsFile": str(tmp_path / "gone.h5")}),
    ]
    for said, changes in cases:
        for name, value in {**possible, **changes}.items():
            setattr(parameters, name, value)
        assert not button.enabled and said in button.toolTip, said
        assert said in panel.ui.estimateLabel.text
    for name, value in possible.items():
        setattr(parameters, name, value)
    assert button.enabled, button.toolTip


def test_published_settings_of_a_method(panel: Any) -> None:
    parameters, box = panel._parameterNode, panel.ui.presetComboBox
    parameters.method = "dds"
    assert [box.itemText(i) for i in range(box.count)] == [
        "Tuned defaults", "Thorough: twice the levels", "As published", "As in ISCS",
    ]  # fmt: skip
    box.currentIndex = 2
    assert panel.methodSection.panel.controls["weighted"].value() is False
    assert json.loads(parameters.methodParameters)["dds"]["steps"] == 50
    panel.methodSection.panel.controls["steps"].editor.value = 51
    assert box.itemText(box.currentIndex) == "Own settings"


def test_choices_come_back_with_the_scene(panel: Any, fresh: Any, tmp_path: Path) -> None:
    import slicer
    from CTDiffusionReconLib.scene.parameternode import Beam, ViewSet

    parameters = panel._parameterNode
    parameters.inputVolume = add_volume("kept")
    parameters.beam, parameters.viewSet, parameters.views = Beam.CONE, ViewSet.LIMITED, 17
    parameters.photons, parameters.noise = 2500.0, False
    parameters.method, parameters.methodParameters = "tv", '{"tv": {"iterations": 9}}'
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    fresh.scene.Clear(0)
    assert panel._parameterNode is None or panel._parameterNode.views == 30
    slicer.util.loadScene(path)
    panel.enter()
    again = panel._parameterNode
    assert (again.beam, again.viewSet, again.views, again.photons) == (Beam.CONE, ViewSet.LIMITED, 17, 2500.0)
    assert again.inputVolume.GetName() == "kept" and again.noise is False
    assert panel.methodSection.panel.controls["iterations"].value() == 9
    assert panel.ui.viewsSpinBox.value == 17


def test_slices_that_a_turned_roi_touches(panel: Any) -> None:
    import slicer
    import vtk
    from CTDiffusionReconLib.panel.inputpanel import slicesOfROI

    node = add_volume()
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetSize(4.0, 4.0, 6.0)
    roi.SetCenter(0.0, 0.0, 20.0)
    # Voxels are 2 mm high: 17 to 23 mm is from the middle of slice 8.5 to that of 11.5.
    assert slicesOfROI(node, roi) == (9, 12)
    turn = vtk.vtkTransform()
    turn.Translate(0.0, 0.0, 20.0)
    turn.RotateX(90.0)
    turn.Translate(0.0, 0.0, -20.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    roi.SetAndObserveTransformNodeID(transform.GetID())
    start, stop = slicesOfROI(node, roi)
    assert 2 <= stop - start <= 3
    roi.SetAndObserveTransformNodeID(None)
    roi.SetCenter(0.0, 0.0, 500.0)
    with pytest.raises(ValueError, match="does not touch"):
        slicesOfROI(node, roi)


def test_nothing_is_cut_off_at_450_pixels(panel: Any) -> None:
    from CTDiffusionReconLib.scene.parameternode import Beam, SliceChoice, ViewSet
    from PySide6 import QtWidgets

    parameters = panel._parameterNode
    parameters.machine, parameters.beam, parameters.viewSet = "custom", Beam.CONE, ViewSet.LIMITED
    parameters.sliceChoice = SliceChoice.RANGE
    for name in vars(panel.ui):
        if name.endswith("CollapsibleButton"):
            getattr(panel.ui, name).collapsed = False
    width = QtWidgets.QWidget.minimumSizeHint(panel.parent).width()
    assert width <= 450, width


def test_only_priors_of_the_methods_kind_are_offered(panel: Any) -> None:
    section, parameters, box = panel.methodSection, panel._parameterNode, panel.ui.priorComboBox
    parameters.inputVolume = add_volume()
    section.methods["dds"] = replace(section.methods["dds"], prior_kind="sinogram")
    # Those of that kind which ship are put aside.
    section._packs = [pack for pack in section._packs if "sinogram" not in pack["name"]]
    section.update()
    assert [box.itemText(i) for i in range(box.count)] == ["Default of the method"]
    assert "a denoiser of sinograms" in section.priorError
    parameters.views = 31
    assert not panel.ui.applyButton.enabled and "none is installed" in panel.ui.applyButton.toolTip
    section.methods["dds"] = replace(section.methods["dds"], prior_kind="image")
    parameters.views = 30
    names = [box.itemText(i) for i in range(box.count)]
    assert "ct-triplet-256" in names and not any("mri" in name for name in names)
    box.currentIndex = names.index("ct-triplet-256")
    assert parameters.prior == "ct-triplet-256" and "chest" in panel.ui.priorNoteLabel.text
    parameters.prior = "gone"
    assert panel.ui.applyButton.toolTip == "The prior gone is not on this computer."
    other = next(pack["name"] for pack in section._packs if pack.get("modality") == "MR")
    parameters.prior = other
    wanted = f"The prior {other} is not of the kind that DDS needs: a denoiser of images, for CT."
    assert panel.ui.applyButton.toolTip == panel.ui.priorNoteLabel.text == wanted


def test_another_method_lets_go_of_a_prior_that_it_cannot_use(panel: Any) -> None:
    section, parameters = panel.methodSection, panel._parameterNode
    parameters.prior = "ct-triplet-256"
    section.methods["ddnm"] = replace(section.methods["ddnm"], prior_kind="restoration")
    panel.ui.methodComboBox.currentIndex = list(section.methods).index("iscs")
    assert (parameters.method, parameters.prior) == ("iscs", "ct-triplet-256")
    panel.ui.methodComboBox.currentIndex = list(section.methods).index("ddnm")
    assert (parameters.method, parameters.prior) == ("ddnm", "")
