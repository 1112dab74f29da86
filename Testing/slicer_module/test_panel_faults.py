"""What goes wrong under a running panel: children that crash, flood or vanish, users who cancel, close and delete."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import driving
import pytest
from misbehaving_engine import interpreter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the interpreters of these tests are shell scripts"),
]
SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "Priors"


def use(panel: Any, folder: Path, **behaviour: Any) -> None:
    """Have the engine run by an interpreter that behaves so, in job folders with blanks and accents."""
    from CTDiffusionReconLib.engine import settings

    settings.setValue(settings.PYTHON, interpreter(folder, **behaviour))
    settings.setValue(settings.JOBS_FOLDER, str(folder / "Fälle $HOME; 'x' & y"))


def volumes() -> int:
    import slicer

    return int(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))


def test_cancel_of_a_real_reconstruction_within_two_seconds(fresh: Any, panel: Any) -> None:
    volume = driving.slab()
    before = volumes()
    driving.choose(panel, volume, "dds", 24, steps=500)
    job = driving.press_apply(panel)
    assert fresh.process_until(lambda: "sampl" in (job.phase or "") or job.step > 2, 600), job.log
    fresh.process_until(lambda: panel.ui.applyButton.text == "Cancel", 5)
    engine = job.worker_pid
    pressed = time.monotonic()
    panel.ui.applyButton.click()
    assert fresh.process_until(lambda: job.finished, 10)
    assert time.monotonic() - pressed < 2.5, "two seconds, and the machine's own delay"
    assert job.state == "cancelled" and volumes() == before
    fresh.process_until(lambda: False, 0.4)
    assert panel.ui.applyButton.text == "Apply" and panel.ui.applyButton.enabled
    assert engine not in [child.pid for child in driving.children()]
    assert not list(job.folder.glob("result*")), "no half-written result"


def test_paths_with_blanks_quotes_and_accents(fresh: Any, panel: Any, tmp_path: Path) -> None:
    """The real engine, called through such an interpreter, in such a job folder."""
    from CTDiffusionReconLib.engine import settings

    place = tmp_path / 'Größe \'n "q" $(x)'
    place.mkdir()
    launcher = place / "my python"
    launcher.write_text(f'#!/bin/sh\nexec "{shutil.which("PythonSlicer")}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    settings.setValue(settings.PYTHON, str(launcher))
    settings.setValue(settings.JOBS_FOLDER, str(place / "Aufträge; rm -rf"))
    driving.choose(panel, driving.slab(name="Müller, Jörg", step=2), "fbp", 15)
    node = driving.run(fresh, panel, 600)
    assert node.GetName().startswith("Müller, Jörg FBP 15 views")
    job = panel.logic.queue.jobs[-1]
    assert "Aufträge" in str(job.folder) and node.GetAttribute("CTDiffusionRecon.JobFolder") == job.folder.name


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"signal": "SIGKILL"}, "memory"),
        ({"signal": "SIGSEGV"}, "engine"),
        ({"code": 3, "say": "error: prior: the weights do not match"}, "the weights do not match"),
        ({"code": 1, "say": "\x1b[31mRuntimeError: strange\udcff".encode("utf-8", "replace").decode()}, "strange"),
    ],
)
def test_a_child_that_dies_is_explained_with_retry(
    fresh: Any, panel: Any, tmp_path: Path, behaviour: dict[str, Any], words: str
) -> None:
    import slicer

    use(panel, tmp_path, **behaviour)
    driving.choose(panel, driving.slab(step=4))
    before = volumes()
    job = driving.finish(fresh, driving.press_apply(panel))
    assert job.state == "failed" and volumes() == before
    assert not panel.ui.errorFrame.isHidden() and words in panel.ui.errorLabel.text
    assert "\n" not in job.error and panel.ui.applyButton.text == "Apply"
    panel.ui.copyLogButton.click()
    assert job.error in slicer.app.clipboard().text()
    use(panel, tmp_path)  # the engine works again
    panel.ui.retryButton.click()
    again = panel.logic.queue.jobs[-1]
    assert again is not job
    driving.finish(fresh, again)
    assert again.state == "done" and volumes() == before + 1 and panel.ui.errorFrame.isHidden()


def test_a_hundred_megabytes_of_rubbish_leave_the_panel_alive(fresh: Any, panel: Any, tmp_path: Path) -> None:
    import qt

    use(panel, tmp_path, flood_mb=50)  # on each of the two channels
    driving.choose(panel, driving.slab(step=4))
    beats: list[float] = []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: beats.append(time.monotonic()))
    timer.start(20)
    panel.ui.jobsCollapsibleButton.collapsed = panel.ui.logCollapsibleButton.collapsed = False
    job = driving.finish(fresh, driving.press_apply(panel))
    timer.stop()
    assert job.state == "done"
    pauses = [later - sooner for sooner, later in itertools.pairwise(beats)]
    assert max(pauses) < 3.0, "the event loop stood still"
    assert len(job.log) < 400_000 and "\x1b" not in panel.ui.logTextEdit.toPlainText()


def test_apply_again_while_one_runs_waits_its_turn(fresh: Any, panel: Any, tmp_path: Path) -> None:
    use(panel, tmp_path, seconds=2)
    driving.choose(panel, driving.slab(step=4))
    first = driving.press_apply(panel)
    fresh.process_until(lambda: first.state == "running" and not panel.ui.queueButton.isHidden(), 10)
    assert panel.ui.applyButton.text == "Cancel" and panel.ui.queueButton.enabled
    panel.ui.viewsSpinBox.value = 33
    panel.ui.queueButton.click()
    second = panel.logic.queue.jobs[-1]
    assert second is not first and (first.state, second.state) == ("running", "queued")
    driving.finish(fresh, second)
    assert (first.state, second.state) == ("done", "done")
    assert "20 views" in first.resultNode.GetName() and "33 views" in second.resultNode.GetName()
    assert panel.logic.reconstruction.table.node().GetNumberOfRows() == 2


def test_a_scene_closed_meanwhile_keeps_the_result_on_disk(fresh: Any, panel: Any, tmp_path: Path) -> None:
    use(panel, tmp_path, seconds=2)
    driving.choose(panel, driving.slab(step=4))
    job = driving.press_apply(panel)
    assert fresh.process_until(lambda: job.state == "running", 10)
    fresh.scene.Clear(0)
    driving.finish(fresh, job)
    assert job.state == "done" and volumes() == 0
    assert job.result_path is not None and job.result_path.is_file()
    assert str(job.folder) in panel.ui.statusLabel.text, "the user is told where it is"
    assert not panel.ui.applyButton.enabled


def test_an_input_deleted_meanwhile_keeps_the_result_on_disk(fresh: Any, panel: Any, tmp_path: Path) -> None:
    use(panel, tmp_path, seconds=2)
    volume = driving.slab(step=4)
    driving.choose(panel, volume)
    job = driving.press_apply(panel)
    assert fresh.process_until(lambda: job.state == "running", 10)
    fresh.scene.RemoveNode(volume)
    assert panel._parameterNode.inputVolume is None
    driving.finish(fresh, job)
    assert job.state == "done" and volumes() == 0 and job.result_path.is_file()
    assert str(job.folder) in panel.ui.statusLabel.text


def test_an_output_deleted_meanwhile_becomes_a_new_volume(fresh: Any, panel: Any, tmp_path: Path) -> None:
    use(panel, tmp_path, seconds=2)
    driving.choose(panel, driving.slab(step=4))
    output = fresh.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "my output")
    panel._parameterNode.outputVolume = output
    job = driving.press_apply(panel)
    assert fresh.process_until(lambda: job.state == "running", 10)
    fresh.scene.RemoveNode(output)
    driving.finish(fresh, job)
    assert job.state == "done" and job.resultNode is not output and job.resultNode.GetScene() is fresh.scene


def test_an_interpreter_that_is_not_there(fresh: Any, panel: Any, tmp_path: Path) -> None:
    from CTDiffusionReconLib.engine import settings

    driving.choose(panel, driving.slab(step=4))
    settings.setValue(settings.PYTHON, str(tmp_path / "no such python"))
    panel.ui.applyButton.click()  # a dialog would be an error raised again, in testing mode
    assert not panel.ui.errorFrame.isHidden() and "no such python" in panel.ui.errorLabel.text
    assert panel.logic.queue.jobs == [] or panel.logic.queue.jobs[-1].state == "failed"
    assert panel.ui.applyButton.text == "Apply"


def test_an_interpreter_without_any_package(fresh: Any, panel: Any, tmp_path: Path) -> None:
    """Python alone: the panel explains what is missing instead of starting a job that must fail."""
    from CTDiffusionReconLib.engine import settings

    bare = tmp_path / "bare python"
    bare.write_text(f'#!/bin/sh\nexec "{sys_python()}" -S "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    settings.setValue(settings.PYTHON, str(bare))
    driving.choose(panel, driving.slab(step=4))
    panel.ui.applyButton.click()
    fresh.process_until(lambda: False, 0.5)
    assert panel.logic.queue.jobs == []
    assert not panel.ui.errorFrame.isHidden() and "torch" in panel.ui.errorLabel.text.lower()


def test_a_fresh_error_stays_before_an_old_one(fresh: Any, panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    use(panel, tmp_path, code=1, say="error: prior: damaged")
    driving.choose(panel, driving.slab(step=4))
    job = driving.finish(fresh, driving.press_apply(panel))
    assert "prior: damaged" in panel.ui.errorLabel.text
    report = SimpleNamespace(text="torch is missing", log="pip's last words")
    monkeypatch.setattr(panel.applyPanel, "missingPackages", lambda: report)
    panel.ui.applyButton.click()
    fresh.process_until(lambda: False, 0.5)
    panel.jobPanel.update()
    assert panel.ui.errorLabel.text == "torch is missing" and not panel.ui.errorFrame.isHidden()
    fresh.scene.Clear(0)
    panel.onRetry(job)
    assert "no longer in the scene" in panel.ui.errorLabel.text


def sys_python() -> str:
    import sys

    return os.path.realpath(sys.executable)


def test_a_damaged_prior_pack_is_named(fresh: Any, panel: Any, tmp_path: Path) -> None:
    from CTDiffusionReconLib.engine import settings

    original = next(folder for folder in sorted(SHIPPED.iterdir()) if (folder / "prior.json").is_file())
    pack = tmp_path / "Priors" / "damaged-pack"
    shutil.copytree(original, pack)
    text = (pack / "prior.json").read_text(encoding="utf-8").replace(f'"{original.name}"', '"damaged-pack"')
    (pack / "prior.json").write_text(text, encoding="utf-8")
    with open(pack / "weights.safetensors", "r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\x00" * 500)
    settings.addPriorFolder(str(pack.parent))
    panel.methodSection.refreshPriors()
    driving.choose(panel, driving.slab(), "dds", 20, **driving.QUICK)
    assert any("damaged-pack" in panel.ui.priorComboBox.itemText(row) for row in range(panel.ui.priorComboBox.count))
    panel._parameterNode.prior = "damaged-pack"
    if not panel.ui.applyButton.enabled:
        assert "damaged-pack" in panel.ui.applyButton.toolTip or "SHA" in panel.ui.applyButton.toolTip
        return
    before = volumes()
    job = driving.finish(fresh, driving.press_apply(panel), 600)
    assert job.state == "failed" and volumes() == before
    assert "SHA-256" in panel.ui.errorLabel.text or "weights" in panel.ui.errorLabel.text
    assert "Traceback" not in panel.ui.errorLabel.text
