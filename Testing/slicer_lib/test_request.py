"""Requests: they are the engine's specifications, with this module's defaults, and refuse at once in a user's words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ctdiffusion.core.schema import describe
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec
from ctdiffusion.jobs.tasks import read_specification
from ctdiffusion.methods.registry import SUPERRESOLUTION
from CTDiffusionReconLib.queue.request import changed, input_kind_of, kind_of, request_for
from fake_engine import PACKAGE

PARALLEL = {"kind": "parallel", "angles": [0.0, 1.0], "columns": 64, "column_spacing": 1.0}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "fbp", "geometry": "cone", "views": 90, "arc_deg": 210.0, "start_deg": 15.0},
        {"method": "tv", "limited_deg": (0, 120), "views": 40, "slices": (3, 9), "parameters": {"iterations": 5}},
        {"method": "sirt", "geometry": "parallel", "views": None, "angles_deg": [0, 10.5, 31]},
        {"method": "tv", "angles_deg": [0, 10.5, 31], "simulation": {"noise": False}, "seed": 7},
        {"method": "fbp", "geometry": PARALLEL, "assume_hu": True, "keep_projections": True, "device": "cpu"},
        {"method": "tv", "input_kind": "projections"},
        {"method": "tv", "input_kind": "projections", "views": 60},
    ],
)
def test_the_engine_reads_every_request(options):
    request = request_for(**options)
    assert read_specification(request.to_dict()) == request
    assert all(getattr(request, name) == getattr(request_for(**options), name) for name in options)


def test_defaults_are_those_of_the_schema_but_for_the_scan():
    request = request_for()
    assert isinstance(request, JobSpec)
    assert (request.method, request.geometry, request.views) == ("dds", "fan", 30)
    for info in describe(JobSpec):
        if not info.required and info.name not in ("geometry", "views"):
            assert getattr(request, info.name) == info.default, info.name
    assert request_for(angles_deg=[0, 1]).views is None and request_for(geometry=PARALLEL).views is None
    measured = request_for(input_kind="projections")
    assert (measured.geometry, measured.views, kind_of(measured)) == (None, None, "projections")
    thin = request_for(SUPERRESOLUTION)
    assert isinstance(thin, SuperResolutionSpec) and (thin.method, thin.factor, kind_of(thin)) == (
        "zsr",
        None,
        "volume",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 0}, r"^views: must lie in \[1, 10000\], got 0$"),
        ({"views": True}, r"^views: "),
        ({"views": 2.5}, r"^views: "),
        ({"views": None}, r"^views: missing \(or give angles_deg\)"),
        ({"views": 3, "angles_deg": [0, 1]}, r"^views: not together with angles_deg"),
        ({"geometry": None}, r"^geometry: missing"),
        ({"geometry": "helical"}, r"^geometry: must be one of parallel, fan"),
        ({"geometry": {"kind": "fan"}}, r"^geometry: "),
        ({"device": "tpu"}, r"^device: must be one of auto, cpu, cuda, got tpu$"),
        ({"seed": -1}, r"^seed: "),
        ({"slices": (5, 5)}, r"^slices: "),
        ({"slices": (1, 2, 3)}, r"^slices: "),
        ({"start_deg": float("nan")}, r"^start_deg: "),
        ({"arc_deg": "180"}, r"^arc_deg: "),
        ({"limited_deg": (0, 90), "arc_deg": 90.0}, r"^arc_deg: not together with limited_deg"),
        ({"angles_deg": []}, r"^angles_deg: "),
        ({"angles_deg": [1.0], "start_deg": 3.0}, r"^start_deg: not together"),
        ({"method": "sirt", "parameters": {"iterations": float("inf")}}, r"^parameters\.iterations: must be finite"),
        ({"parameters": {"nonsense": 1}}, r"^parameters\.nonsense: unknown parameter"),
        ({"parameters": [1]}, r"^parameters: expected names"),
        ({"simulation": {"photons": 1}}, r"^simulation\.photons: must lie in"),
        ({"method": " "}, r"^method: "),
        ({"method": "ddss"}, r"^method: 'ddss' is unknown \(did you mean dds\?\)"),
        ({"veiws": 3}, r"^veiws: unknown field \(known: angles_deg, "),
        ({"input_kind": "projections", "arc_deg": 90.0}, r"^arc_deg: "),
        ({"input_kind": "projections", "geometry": {"kind": "fan"}}, r"^geometry: measured projections"),
    ],
)
def test_wrong_values_are_named_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        request_for(**options)
    assert "\n" not in str(caught.value) and "spec." not in str(caught.value)


def test_a_request_cannot_be_changed_from_outside():
    parameters = {"steps": 3}
    request = request_for(parameters=parameters)
    parameters["steps"] = 99
    assert request.parameters == {"steps": 3}
    again = changed(request, views=12, simulation={"photons": 5e4})
    assert (again.views, again.simulation.photons, again.parameters) == (12, 5e4, {"steps": 3})
    with pytest.raises(ValueError, match=r"^veiws: unknown field"):
        changed(request, veiws=12)


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "DDS 30 views"),
        ({"method": "fbp", "geometry": "cone", "views": 1, "arc_deg": 90.0}, "FDK 1 view"),
        ({"method": "fbp", "angles_deg": (0, 1)}, "FBP 2 views"),
        ({"method": "tv", "input_kind": "projections"}, "TV"),
        ({"method": "tv", "geometry": PARALLEL}, "TV 2 views"),
    ],
)
def test_labels(options, label):
    assert request_for(**options).label == label


def test_kind_of_input():
    assert input_kind_of("a/SCAN.H5") == "projections"
    assert input_kind_of("a/ct.nii.gz") == "volume"


def test_nothing_heavy_is_imported():
    """The panel's logic starts without torch, Qt, Slicer and even numpy: an interpreter that has none of them."""
    code = (
        "import sys, time; start = time.process_time()\n"
        "heavy = {'torch', 'monai', 'numpy', 'slicer', 'vtk', 'qt', 'PySide6', 'scipy', 'SimpleITK', 'numba', 'h5py'}\n"
        "class Refusing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in heavy:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refusing())\n"
        "from CTDiffusionReconLib.queue import jobs, request\n"
        "from CTDiffusionReconLib.engine import dependencies, devices, estimate, priors, query\n"
        "from CTDiffusionReconLib.scene import fields, noderequest, provenance\n"
        "from CTDiffusionReconLib.panel import methodtext\n"
        "from ctdiffusion.core.plugins import left_out\nfrom ctdiffusion.methods.registry import methods\n"
        "from ctdiffusion.scan.machines import MACHINES\n"
        "made = [request.request_for(method=name) for name in methods()]\n"
        "made += [request.request_for('superresolution', method=name) for name in methods('superresolution')]\n"
        "found = estimate.estimate_request(made[0], (256, 256, 64), (1.0, 1.0, 2.0))\n"
        "print(len(made) > 10, found.seconds > 0, left_out(), heavy & set(sys.modules), time.process_time() - start)"
    )
    seconds = []
    for _ in range(2):  # the first one compiles
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE, check=False)
        assert done.returncode == 0, done.stderr
        *facts, took = done.stdout.split()
        assert facts == ["True", "True", "{}", "set()"]
        seconds.append(float(took))
    assert min(seconds) < 0.4
