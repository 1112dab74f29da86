"""What leaves this computer with a scene, and who on it can read a job: no paths, no identifiers, nobody else."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from job_helpers import make_input
from nodes import volume_node

FBP = {"method": "fbp", "geometry": "parallel", "views": 20, "device": "cpu"}
UID = "1.2.840.113619.2.55.3.604688119.969"


@pytest.fixture
def logic(scene):
    from CTDiffusionReconLib.logic import ReconstructionLogic

    made = ReconstructionLogic(engine=FakeEngine)
    yield made
    made.shutdown()


def all_texts() -> str:
    """Everything that the scene would write: attributes of every node and cells of every table."""
    import slicer

    scene = slicer.mrmlScene
    scene.SetSaveToXMLString(1)
    scene.Commit()
    text = scene.GetSceneXMLString()
    scene.SetSaveToXMLString(0)
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    places = [(t, r, c) for t in tables for r in range(t.GetNumberOfRows()) for c in range(t.GetNumberOfColumns())]
    return text + "\n".join(table.GetCellText(row, column) for table, row, column in places)


def test_a_scene_holds_no_path_of_an_input_or_a_job(logic, tmp_path):
    source = make_input(tmp_path / "Doe^Jane 19470101")
    job = logic.start(str(source), **FBP, parameters={"filter": "hann"})
    assert job.wait(60) and job.state == "done", job.log
    node = job.resultNode
    text = all_texts()
    for secret in (str(tmp_path), "Doe^Jane", str(Path.home()) + os.sep, str(job.folder.parent)):
        assert secret not in text, secret
    spec = json.loads(node.GetAttribute("CTDiffusionRecon.Spec"))
    assert spec["input"] == source.name and spec["parameters"] == {"filter": "hann"}
    assert node.GetAttribute("CTDiffusionRecon.JobFolder") == job.folder.name
    assert logic.table.rows()[0]["Job folder"] == job.folder.name


def test_identifiers_of_a_dicom_volume_stay_with_it(logic):
    import slicer

    source = volume_node()
    source.SetAttribute("DICOM.instanceUIDs", UID)
    source.SetAttribute("DICOM.PatientName", "Doe^Jane")
    job = logic.start(source, **FBP)
    assert UID not in (job.folder / "input.nrrd").read_bytes()[:5000].decode("latin-1"), "the exported volume"
    assert job.wait(60) and job.state == "done", job.log
    node = job.resultNode
    attributes = {name: node.GetAttribute(name) for name in node.GetAttributeNames()}
    assert not [name for name in attributes if "DICOM" in name]
    assert UID not in str(attributes) and "Doe" not in str(attributes)
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert all("Doe" not in t.GetCellText(0, c) for t in tables for c in range(t.GetNumberOfColumns()))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_job_folder_and_the_volume_in_it_are_their_owners_alone(logic):
    before = os.umask(0)
    try:
        job = logic.start(volume_node(), **FBP)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (job.folder, job.folder / "input.nrrd")]
    finally:
        os.umask(before)
    assert modes == [0o700, 0o600]
    assert job.wait(60) and job.state == "done", job.log


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX owners")
def test_a_folder_that_somebody_else_made_in_the_temporary_folder_is_not_used(scene, tmp_path, monkeypatch):
    import slicer
    from CTDiffusionReconLib.engine import slicerengine

    (tmp_path / "theirs").mkdir()
    (tmp_path / "CTDiffusionRecon").symlink_to(tmp_path / "theirs")
    monkeypatch.setattr(slicerengine, "jobsFolder", lambda: tmp_path / "CTDiffusionRecon")
    with pytest.raises(OSError, match="belongs to somebody else"):
        slicerengine.privateJobsFolder()
    (tmp_path / "CTDiffusionRecon").unlink()
    (tmp_path / "CTDiffusionRecon").mkdir()
    if os.getuid() == 0:
        os.chown(tmp_path / "CTDiffusionRecon", 12345, -1)
        with pytest.raises(OSError, match="belongs to somebody else"):
            slicerengine.privateJobsFolder()
    assert slicer is not None


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "..", ".", "a/../../b"])
def test_a_job_folder_that_a_scene_names_is_one_of_ours(scene, name):
    from CTDiffusionReconLib.engine.slicerengine import findJobFolder, jobsFolder

    with pytest.raises(ValueError, match="expected a name"):
        findJobFolder(name)
    assert findJobFolder("20260101-fbp") == jobsFolder() / "20260101-fbp"


def test_paths_in_a_specification_become_names():
    from CTDiffusionReconLib.scene.provenance import without_paths

    spec = {"input": "C:\\Users\\jane\\ct.nrrd", "prior": "/home/jane/priors/mine", "views": 3, "seed": 0}
    assert without_paths(spec) == {"input": "ct.nrrd", "prior": "mine", "views": 3, "seed": 0}
    assert without_paths({"input": "/data/DICOM/", "prior": None}) == {"input": "DICOM", "prior": None}


def test_requirements_are_bounded_above_and_below():
    from CTDiffusionReconLib.engine.dependencies import TORCH_VERSIONS, requirements

    assert all(">=" in line and "<" in line for line in [*requirements(), TORCH_VERSIONS])
