"""Requests: what becomes the engine's specification, and what is refused at once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from CTDiffusionReconLib.queue.request import ReconstructionRequest, input_kind_of
from fake_engine import PACKAGE


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "fbp", "geometry": "cone", "views": 90, "arc_deg": 210.0, "start_deg": 15.0},
        {"method": "tv", "limited_deg": (0, 120), "views": 40, "slices": (3, 9), "parameters": {"iterations": 5}},
        {"method": "sirt", "geometry": "parallel", "views": None, "angles_deg": [0, 10.5, 31]},
        {"method": "tv", "views": None, "angles_deg": [0, 10.5, 31], "simulation": {"noise": False}, "seed": 7},
        {
            "method": "fbp",
            "geometry": {"kind": "parallel", "angles": [0.0, 1.0], "columns": 64, "column_spacing": 1.0},
            "assume_hu": True,
            "keep_projections": True,
            "device": "cpu",
        },
    ],
)
def test_the_engine_reads_every_request(options):
    request = ReconstructionRequest(**options)
    spec = JobSpec.from_dict(request.spec("input.nrrd"))
    assert (spec.method, spec.seed, spec.device) == (request.method, request.seed, request.device)
    assert spec.slices == request.slices
    assert (spec.assume_hu, spec.keep_projections) == (request.assume_hu, request.keep_projections)
    if not isinstance(request.geometry, dict):
        assert len(spec.angles()) == request.view_count


def test_measured_projections_bring_their_own_geometry():
    spec = JobSpec.from_dict(ReconstructionRequest(method="tv", views=None).spec("/data/scan.h5", "projections"))
    assert (spec.geometry, spec.views, spec.input_kind) == (None, None, "projections")
    with pytest.raises(ValueError, match=r"^arc_deg: measured projections"):
        ReconstructionRequest(method="tv", arc_deg=90.0).spec("/data/scan.h5", "projections")
    with pytest.raises(ValueError, match=r"^geometry: measured projections"):
        ReconstructionRequest(method="tv", geometry={"kind": "fan"}).spec("/data/scan.h5", "projections")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 0}, r"^views: expected a whole number from 1 to 10000, got 0$"),
        ({"views": True}, r"^views: "),
        ({"views": 2.5}, r"^views: "),
        ({"geometry": "helical"}, r"^geometry: must be one of parallel, fan"),
        ({"device": "tpu"}, r"^device: must be one of auto, cpu, cuda, got 'tpu'$"),
        ({"seed": -1}, r"^seed: "),
        ({"slices": (5, 5)}, r"^slices: "),
        ({"slices": (1, 2, 3)}, r"^slices: "),
        ({"start_deg": float("nan")}, r"^start_deg: "),
        ({"arc_deg": "180"}, r"^arc_deg: "),
        ({"limited_deg": (0, 90), "arc_deg": 90.0}, r"^arc_deg: not together with limited_deg"),
        ({"angles_deg": []}, r"^angles_deg: "),
        ({"angles_deg": [1.0], "start_deg": 3.0}, r"^start_deg: not together"),
        ({"parameters": {"steps": float("inf")}}, r"^parameters\.steps: must be finite"),
        ({"parameters": [1]}, r"^parameters: expected names"),
        ({"method": " "}, r"^method: "),
    ],
)
def test_wrong_values_are_named_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        ReconstructionRequest(**options)
    assert "\n" not in str(caught.value)


def test_a_request_cannot_be_changed_from_outside():
    parameters = {"steps": 3}
    request = ReconstructionRequest(parameters=parameters)
    parameters["steps"] = 99
    assert request.parameters == {"steps": 3}
    assert request.changed(views=12).views == 12
    with pytest.raises(ValueError, match=r"^veiws: unknown option"):
        request.changed(veiws=12)


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "DDS 30 views"),
        ({"method": "fbp", "geometry": "cone", "views": 1}, "FDK 1 view"),
        ({"method": "fbp", "views": None, "angles_deg": (0, 1)}, "FBP 2 views"),
        ({"method": "tv", "geometry": None, "views": None}, "TV"),
        ({"method": "tv", "geometry": {"kind": "fan", "angles": [0, 1, 2]}}, "TV 3 views"),
    ],
)
def test_labels(options, label):
    assert ReconstructionRequest(**options).label == label


def test_kind_of_input():
    assert input_kind_of("a/SCAN.H5") == "projections"
    assert input_kind_of("a/ct.nii.gz") == "volume"


def test_nothing_heavy_is_imported():
    """The panel's logic starts without torch, Qt, Slicer and even numpy."""
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "import CTDiffusionReconLib.queue.jobs, CTDiffusionReconLib.engine.catalogue, CTDiffusionReconLib.engine.devices\n"
        "import CTDiffusionReconLib.engine.dependencies, CTDiffusionReconLib.engine.estimate\n"
        "heavy = {'torch', 'monai', 'numpy', 'slicer', 'vtk', 'qt', 'PySide6', 'scipy', 'SimpleITK'}\n"
        "print(sorted(heavy & set(sys.modules)), time.perf_counter() - start < 1.0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE, check=True)
    assert done.stdout.strip() == "[] True"
