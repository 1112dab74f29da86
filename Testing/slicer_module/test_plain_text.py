"""Names with tags in them are shown as they stand, and the panel's scene tells no paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import driving

TAG = "<b>bold</b><img src=x> & <a href='http://example.org'>link</a>"
RICH = {"methodExplanationLabel", "thinExplanationLabel"}


def test_every_label_is_plain_text(panel: Any) -> None:
    import qt

    labels = {name: getattr(panel.ui, name) for name in dir(panel.ui) if name.endswith("Label")}
    assert len(labels) > 50
    rich = {name for name, label in labels.items() if label.textFormat != qt.Qt.PlainText}
    assert rich == RICH


def test_a_job_name_with_tags(panel: Any, fresh: Any) -> None:
    """In the status, in the list, in the result's numbers, and in the tool tip of the button that cancels it."""
    driving.choose(panel, driving.slab(name=TAG, step=4), "fbp", 15)
    job = driving.press_apply(panel)
    panel.applyPanel.updateButtons()
    panel.jobPanel.update()
    tip = panel.ui.applyButton.toolTip
    assert "<b>" not in tip and "&lt;b&gt;bold&lt;/b&gt;" in tip
    assert TAG in panel.ui.statusLabel.text
    driving.finish(fresh, job)
    assert job.state == "done", job.log
    panel.jobPanel.showError(TAG)
    assert panel.ui.errorLabel.text == TAG


def test_the_scene_keeps_the_name_of_measured_projections_alone(panel: Any, tmp_path: Path) -> None:
    import slicer
    from CTDiffusionReconLib.engine import settings
    from CTDiffusionReconLib.scene.parameternode import InputKind
    from CTDiffusionReconLib.scene.projectionfiles import kept, path_of

    parameters = panel._parameterNode
    parameters.inputKind = InputKind.PROJECTIONS
    paths = [tmp_path / "Doe Jane" / "scan.h5", tmp_path / "Roe John" / "scan.h5"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    panel.ui.projectionsPathLineEdit.currentPath = str(paths[0])
    first = parameters.projectionsFile
    assert first.startswith("scan.h5 #") and path_of(first) == str(paths[0])
    assert panel.applyPanel._asked()["source"] == str(paths[0])
    # A script names a path.
    parameters.projectionsFile = str(paths[1])
    assert parameters.projectionsFile.startswith("scan.h5 #") and parameters.projectionsFile != first
    assert panel.ui.projectionsPathLineEdit.currentPath == str(paths[1])
    assert panel.applyPanel._asked()["source"] == str(paths[1])
    slicer.mrmlScene.SetSaveToXMLString(1)
    slicer.mrmlScene.Commit()
    text = slicer.mrmlScene.GetSceneXMLString()
    slicer.mrmlScene.SetSaveToXMLString(0)
    assert "scan.h5" in text and str(tmp_path) not in text and "Doe" not in text and "Roe" not in text
    assert kept("scan.h5") == "scan.h5" and kept("") == ""
    settings.setValue(settings.SAVE_PATHS, "true")
    assert kept(str(paths[0])) == str(paths[0]), "who asks for paths gets them"
