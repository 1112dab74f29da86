"""From a volume node through an engine and back: the real one where its work matters, else a quick stand-in."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from fake_engine import FakeEngine
from job_helpers import make_input
from nodes import matrix, matrix_of, volume_node

FBP = {"method": "fbp", "geometry": "parallel", "views": 20, "device": "cpu"}


@pytest.fixture
def logic(scene):
    """With an engine that gives the input back."""
    from CTDiffusionReconLib.logic import ReconstructionLogic

    made = ReconstructionLogic(engine=FakeEngine)
    yield made
    made.shutdown()


@pytest.fixture
def real(scene):
    """With the real engine, found as Slicer finds it."""
    from CTDiffusionReconLib.logic import ReconstructionLogic

    made = ReconstructionLogic()
    yield made
    made.shutdown()


def volumes() -> int:
    import slicer

    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")


def item_of(node):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy, hierarchy.GetItemByDataNode(node)


def test_the_result_lies_exactly_on_its_input(real):
    """Left-handed, oblique, under a transform, two slices of it, through the real engine."""
    import slicer

    source = volume_node(left_handed=True)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    source.SetAndObserveTransformNodeID(transform.GetID())
    image = source.GetImageData()
    before = (image, image.GetMTime(), source.GetStorageNode(), source.GetName(), source.GetModifiedSinceRead())
    options = {"seed": 5, "parameters": {"filter": "hann"}, "simulation": {"photons": 5e4}, "slices": (1, 3)}
    job = real.start(source, **FBP, **options, keep_projections=True)
    assert job.wait(60), job.log
    node = job.resultNode
    assert node is not None, (job.error, job.warnings, job.log)
    image = source.GetImageData()
    after = (image, image.GetMTime(), source.GetStorageNode(), source.GetName(), source.GetModifiedSinceRead())
    assert after == before, "the input is not touched"
    expected = matrix(left_handed=True)
    expected[:, 3] = expected @ [0, 0, 1, 1]
    assert np.array_equal(matrix_of(node), expected)
    assert node.GetTransformNodeID() == transform.GetID()
    assert node.GetName() == "CT chest FBP 20 views"
    display = node.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), bool(display.GetAutoWindowLevel())) == (777.0, 33.0, False)
    assert node.GetVoxelValueUnits().GetCodeValue() == "[hnsf'U]"
    hierarchy, item = item_of(node)
    assert hierarchy.GetItemParent(item) == item_of(source)[1]
    found, wanted = slicer.util.arrayFromVolume(node), slicer.util.arrayFromVolume(source)[1:3]
    assert found.shape == wanted.shape and np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9
    assert node.GetNodeReference("CTDiffusionRecon.Input") is source
    _provenance(job, node)
    projections, residual = real.loadSinograms(node)
    assert projections.GetImageData().GetDimensions()[1:] == (20, 2)
    hierarchy, item = item_of(residual)
    assert hierarchy.GetItemParent(item) == item_of(node)[1]
    assert residual.GetDisplayNode().GetLevel() == 0.0
    with pytest.raises(ValueError, match="reconstructed here"):
        real.loadSinograms(source)


def _provenance(job, node):
    def get(name):
        return node.GetAttribute(f"CTDiffusionRecon.{name}")

    assert (get("Method"), get("Geometry"), get("Views"), get("Seed")) == ("fbp", "parallel", "20", "5")
    assert json.loads(get("Parameters")) == {"filter": "hann"}
    assert json.loads(get("Simulation")) == {
        "photons": 5e4, "electronic": 10.0, "oversampling": 2, "noise": True, "same_grid": False,
    }  # fmt: skip
    assert get("Slices") == "1:3" and get("Input") == "CT chest"
    assert float(get("PSNR")) == pytest.approx(job.metrics["psnr"])
    assert json.loads(get("Spec"))["input"] == "input.nrrd"
    folder = job.folder
    assert get("JobFolder") == folder.name
    assert json.loads((folder / "provenance.json").read_text())["result_sha256"] == get("ResultSHA256")
    assert not (folder / "input.nrrd").exists(), "no second copy of the patient's image is kept"


def test_the_table_grows_and_survives_a_scene_file(logic, session, tmp_path):
    import slicer

    source = volume_node()
    nodes = [logic.reconstruct(source, **{**FBP, "views": views}) for views in (20, 40)]
    rows = logic.table.rows()
    assert [(row["Method"], row["Views"], row["PSNR dB"]) for row in rows] == [("fbp", 20, 30.2), ("fbp", 40, 30.4)]
    assert [row["Node"] for row in rows] == [node.GetID() for node in nodes]
    assert np.isnan(rows[0]["SSIM"]) and rows[0]["Misfit"] == 0.01
    path = str(tmp_path / "scene é.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    session.scene.Clear(0)
    assert logic.table.rows() == []
    assert slicer.mrmlScene.ReadFromMRB(path)
    assert [(row["Views"], row["RMSE HU"]) for row in logic.table.rows()] == [(20, 50.0), (40, 50.0)]
    again = slicer.util.getNode("CT chest FBP 40 views")
    assert again.GetAttribute("CTDiffusionRecon.Views") == "40"
    assert again.GetNodeReference("CTDiffusionRecon.Input").GetName() == "CT chest"
    logic.reconstruct(slicer.util.getNode("CT chest"), **FBP)
    assert len(logic.table.rows()) == 3, "the table that was read goes on"


def test_names_are_unique_and_an_output_node_is_filled(logic):
    source = volume_node()
    first, second = (logic.reconstruct(source, **FBP) for _ in range(2))
    assert first.GetName() != second.GetName()
    count = volumes()
    assert logic.reconstruct(source, **FBP, output=second) is second
    assert volumes() == count
    with pytest.raises(ValueError, match=r"^output: "):
        logic.start(source, **FBP, output=source)


def test_a_filled_node_forgets_the_result_that_it_held(logic):
    source = volume_node()
    node = logic.reconstruct(source, **FBP)
    node.SetAttribute("CTDiffusionRecon.Prior", "another")
    node.SetAttribute("Mine", "kept")
    node.SetNodeReferenceID("CTDiffusionRecon.Input", volume_node("other").GetID())
    logic.reconstruct(source, **FBP, output=node)
    assert node.GetAttribute("CTDiffusionRecon.Prior") is None and node.GetAttribute("Mine") == "kept"
    assert node.GetAttribute("CTDiffusionRecon.Method") == "fbp"
    assert node.GetNodeReference("CTDiffusionRecon.Input") is source
    assert node.GetNumberOfNodeReferences("CTDiffusionRecon.Input") == 1


def test_a_result_that_is_removed_is_freed(logic):
    import slicer

    job = logic.start(volume_node(), **FBP)
    job.wait()
    node = job.resultNode
    assert node is not None
    slicer.mrmlScene.RemoveNode(node)
    del node
    assert job.resultNode is None


def test_a_cancelled_job_leaves_nothing(real):
    """While the real engine works."""
    source = volume_node()
    count = volumes()
    job = real.start(source, method="sirt", geometry="fan", views=60, parameters={"iterations": 10_000})
    end = time.monotonic() + 60
    while job.phase != "sirt":
        real.queue.poll(0.05)
        assert time.monotonic() < end and not job.finished, job.log
    since = time.monotonic()
    job.cancel()
    assert job.wait(2.0) and time.monotonic() - since < 2.0
    assert (job.state, job.resultNode, volumes()) == ("cancelled", None, count)
    assert not job.folder.exists()


def test_a_closed_scene_keeps_the_result_on_disk(logic, session):
    job = logic.start(volume_node(), **FBP)
    session.scene.Clear(0)
    volume_node("another with the same node ID")
    assert job.wait(60)
    assert job.state == "done" and job.resultNode is None and volumes() == 1
    assert "the scene was closed meanwhile" in job.warnings[-1] and str(job.folder) in job.warnings[-1]
    assert job.result_path.is_file()


def test_a_deleted_input_keeps_the_result_on_disk(logic, session):
    source = volume_node()
    job = logic.start(source, **FBP)
    session.scene.RemoveNode(source)
    del source
    assert job.wait(60)
    assert job.state == "done" and job.resultNode is None and volumes() == 0
    assert "CT chest was deleted meanwhile" in job.warnings[-1]
    with pytest.raises(ValueError, match="no longer in the scene"):
        logic.retry(job)


def test_a_renamed_and_moved_input(logic):
    import slicer

    source = volume_node()
    job = logic.start(source, **FBP)
    source.SetName("renamed")
    source.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.eye(4)))
    assert job.wait(60)
    assert np.array_equal(matrix_of(job.resultNode), matrix())
    assert "was moved while the job ran" in job.warnings[-1]


def test_a_result_that_does_not_fit_makes_no_node(logic):
    """The stand-in gives back all four slices where two were asked for."""
    source = volume_node()
    count = volumes()
    job = logic.start(source, **FBP, slices=(1, 3))
    assert job.wait(20)
    assert (job.state, job.resultNode, volumes()) == ("done", None, count)
    assert "does not lie on CT chest" in job.warnings[-1]


def test_a_damaged_result_makes_no_node(logic, monkeypatch):
    import CTDiffusionReconLib.logic as module

    def torn(job, *rest):
        job.result_path.write_bytes(b"NRRD0005\ntype: float\ndimension: 3\nsizes: 32 32 4\nencoding: raw\n\nshort")
        return original(job, *rest)

    original = module.loadResult
    monkeypatch.setattr(module, "loadResult", torn)
    source = volume_node()
    count = volumes()
    job = logic.start(source, **FBP)
    assert job.wait(20)
    assert (job.state, job.resultNode, volumes()) == ("done", None, count)
    assert "cannot be read" in job.warnings[-1]


def test_what_is_no_ct_volume_is_refused_by_name(logic, tmp_path):
    import slicer

    source = volume_node()
    scene = slicer.mrmlScene
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    colour = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colour")
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    cases = [
        (None, {}, "^input: choose a volume"),
        (labels, {}, "^labels: a label map"),
        (colour, {}, "^colour: "),
        (empty, {}, "^empty: the volume has no voxels"),
        (scene.GetSubjectHierarchyNode() if hasattr(scene, "GetSubjectHierarchyNode") else 3, {}, "^input: expected"),
        (tmp_path / "missing.nrrd", {}, "no such file"),
        (source, {"slices": (2, 9)}, "^slices: 2:9 is outside the volume's 0:4"),
        (source, {"parameters": {"steps": 3}}, r"^parameters\.steps: unknown parameter"),
        (source, {"simulation": {"photons": 1}}, r"^simulation\.photons: must lie in"),
        (source, {"method": "magic"}, "^method: 'magic' is unknown"),
        (source, {"veiws": 3}, "^veiws: unknown field"),
        (source, {"inputKind": "projections"}, "^input: measured projections are read from a file"),
    ]
    for subject, options, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            logic.start(subject, **{**FBP, **options})
        assert "\n" not in str(caught.value)
    assert logic.queue.jobs == []


def test_the_engines_refusal_is_the_error(real):
    import slicer

    source = volume_node()
    slicer.util.arrayFromVolume(source)[:] = 7 + np.arange(4)[:, None, None] * 100
    with pytest.raises(RuntimeError, match=r"not HU|label map"):
        real.reconstruct(source, **FBP)


def test_a_file_as_input(logic, tmp_path):
    path = make_input(tmp_path / "Ärzte & Söhne")
    node = logic.reconstruct(str(path), **FBP)
    assert node.GetName() == "input FBP 20 views"
    assert np.allclose(matrix_of(node)[:3, 3], [-10, 20, 30])
    assert path.is_file(), "the user's own file stays"


def test_a_batch_and_a_retry(logic):
    sources = [volume_node("one"), volume_node("two", oblique=False)]
    nodes = logic.batch(sources, **FBP, wait=True)
    assert [node.GetName() for node in nodes] == ["one FBP 20 views", "two FBP 20 views"]
    again = logic.retry(logic.queue.jobs[0], views=10)
    assert again.wait(60) and again.resultNode.GetName() == "one FBP 10 views"


def test_callbacks_and_the_timer(logic, session):
    """Without `wait` the job is followed by Qt's event loop."""
    finished = []
    job = logic.start(volume_node(), **FBP, onFinished=finished.append)
    assert session.process_until(lambda: job.finished, 60)
    assert finished == [job] and job.resultNode is not None


def test_measured_projections_in_their_own_frame(real, tmp_path):
    """A disc of water, off the axis, scanned by a parallel beam."""
    angles = np.arange(40) * np.pi / 40
    columns = (np.arange(64) - 31.5) * 1.5
    centre = 12.0 * np.cos(angles)[:, None] + 6.0 * np.sin(angles)[:, None]
    chord = 2.0 * np.sqrt(np.clip(20.0**2 - (columns - centre) ** 2, 0.0, None))
    np.savez(tmp_path / "scan.npz", sinogram=(0.0193 * chord).astype(np.float32))
    description = {
        "format": "ctdiffusion-projections", "version": 1, "file": "scan.npz", "data": "sinogram",
        "axes": ["view", "column"], "values": "line-integrals", "mu_water_per_mm": 0.0193,
        "angles": {"unit": "rad", "values": [float(a) for a in angles]},
        "geometry": {"kind": "parallel", "column_spacing_mm": 1.5},
        "grid_shape": [1, 48, 64], "grid_spacing_mm": [2.0, 1.5, 1.5],
    }  # fmt: skip
    path = tmp_path / "scan.json"
    path.write_text(json.dumps(description))
    node = real.reconstruct(path, method="fbp", device="cpu")
    import slicer

    values = slicer.util.arrayFromVolume(node)
    assert values.shape == (1, 48, 64) and node.GetAttribute("CTDiffusionRecon.Views") == "40"
    inside = np.argwhere(values[0] > -500.0).mean(axis=0)
    ras = matrix_of(node) @ [inside[1], inside[0], 0, 1]
    # Slicer's axes are right and anterior, the file's left and posterior; the disc's side is the engine's convention.
    assert np.hypot(*ras[:2]) == pytest.approx(np.hypot(12.0, 6.0), abs=1.0)
    assert abs(ras[0]) == pytest.approx(12.0, abs=1.0)
    assert np.median(values[0][values[0] > -500.0]) == pytest.approx(0.0, abs=30.0)
    assert node.GetTransformNodeID() is None and node.GetAttribute("CTDiffusionRecon.PSNR") is None
    with pytest.raises(ValueError, match=r"^geometry: measured"):
        real.start(path, method="fbp", geometry={"kind": "fan"})


def test_thin_slices_lie_between_the_borders_of_their_thick_ones(real):
    import slicer

    source = volume_node(left_handed=True)
    node = real.superResolve(source, "linear", factor=3, device="cpu")
    assert node.GetName() == "CT chest LINEAR x3"
    assert node.GetImageData().GetDimensions()[2] == 12
    thick, thin = matrix(left_handed=True), matrix_of(node)
    for index in range(4):
        centre = thin @ [0, 0, 3 * index + 1, 1]
        assert np.abs(centre - thick @ [0, 0, index, 1]).max() < 1e-9, "the middle of three thin slices"
    assert np.allclose(thin[:3, 2] * 3, thick[:3, 2])
    found, wanted = slicer.util.arrayFromVolume(node), slicer.util.arrayFromVolume(source)
    assert np.corrcoef(found[1::3].ravel(), wanted.ravel())[0, 1] > 0.95
    assert node.GetAttribute("CTDiffusionRecon.Method") == "linear"
    assert node.GetNodeReference("CTDiffusionRecon.Input") is source


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"factor": 9}, "factor"),
        ({"method": ""}, "method"),
        ({"method": "cubic"}, "method: 'cubic' is unknown"),
        ({"views": 30}, "views"),
        ({"parameters": {"steps": -1}}, "parameters.steps"),
        ({"parameters": {"step": 3}}, "parameters.step"),
        ({"seed": -1}, "seed"),
        ({"prior": ""}, "prior"),
        ({"assume_hu": 1}, "assume_hu"),
    ],
)
def test_super_resolution_refuses_by_name(logic, options, named):
    before = volumes()
    source = volume_node()
    with pytest.raises(ValueError, match=named):
        logic.superResolve(source, **options)
    assert volumes() == before + 1
