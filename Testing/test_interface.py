"""The Python interface: volumes, arrays and files in, results out, the same numbers as a job's."""

from __future__ import annotations

import inspect
import json
import pydoc
import subprocess
import sys

import ctdiffusion as ct
import numpy as np
import pytest
from ctdiffusion.commands import main as cli
from ctdiffusion.images.volume import read_volume, write_volume
from job_helpers import PACKAGE, phantom

FAST = {"geometry": "parallel", "views": 12, "oversampling": 1}


def test_a_volume_an_array_and_a_file_give_the_same(tmp_path):
    volume = phantom(3)
    write_volume(volume, tmp_path / "in.nrrd")
    first = ct.reconstruct(volume, "fbp", **FAST)
    other = ct.reconstruct(volume.array, "fbp", spacing=volume.spacing, **FAST)
    third = ct.reconstruct(tmp_path / "in.nrrd", "fbp", **FAST)
    assert first.metrics is not None and first.metrics["psnr"] > 10
    assert np.array_equal(first.volume.array, other.volume.array)
    np.testing.assert_allclose(first.volume.array, third.volume.array, atol=1e-3)


def test_a_job_gives_the_same_numbers(tmp_path):
    write_volume(phantom(3), tmp_path / "in.nrrd")
    options = ["--geometry", "parallel", "--views", "12", "--oversampling", "1", "--iterations", "7", "--seed", "3"]
    argv = ["reconstruct", str(tmp_path / "in.nrrd"), "--method", "sirt", "-o", str(tmp_path / "job"), *options]
    assert cli.main(argv) == 0
    result = ct.reconstruct(read_volume(tmp_path / "in.nrrd"), "sirt", iterations=7, seed=3, **FAST)
    record = json.loads((tmp_path / "job" / "provenance.json").read_text())
    assert record["metrics"]["psnr"] == pytest.approx(result.metrics["psnr"], abs=1e-4)


def test_methods_share_one_measurement():
    results = ct.compare(phantom(2), ["fbp", "sirt"], iterations=5, **FAST)
    assert list(results) == ["fbp", "sirt"]
    measurement = ct.simulate(phantom(2), **FAST)
    assert measurement.projections.data.shape[:2] == (2, 12)
    again = ct.reconstruct(measurement, "sirt", iterations=5)
    assert np.array_equal(again.volume.array, results["sirt"].volume.array)
    with pytest.raises(ValueError, match=r"^views: the measurement was made already"):
        ct.reconstruct(measurement, "fbp", views=3)


def test_a_study_has_a_row_for_every_combination():
    rows = list(ct.study({"p": phantom(2)}, ["fbp"], views=(8, 12), photons=(1e4, 1e5), geometry=("parallel",)))
    assert [(r["views"], r["photons"]) for r in rows] == [(8, 1e4), (8, 1e5), (12, 1e4), (12, 1e5)]
    assert all({"volume", "method", "psnr", "misfit_relative", "seconds"} <= set(row) for row in rows)


def test_thick_slices_become_thin():
    result = ct.superresolve(phantom(6), "linear", factor=3, simulate_from_thin=True)
    assert result.volume.array.shape == (6, 32, 32) and result.metrics["psnr"] > 15


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"view": 3}, r"^view: no option .*did you mean views"),
        ({"views": 0}, r"^views: must lie in"),
        ({"method": "ddss"}, r"^method: 'ddss' is unknown \(did you mean dds\?\)"),
        ({"steps": 4}, r"^steps: no option"),
        ({"photons": -1.0}, r"^photons: must lie in"),
        ({"slices": (2, 9)}, r"slices: 2:9 is outside"),
        ({"preset": "fast"}, r"^preset: method fbp has none"),
        ({"geometry": "cone", "method": "msdiff"}, r"^geometry: method msdiff takes parallel and fan beams"),
    ],
)
def test_what_is_wrong_is_named(options, text):
    with pytest.raises(ValueError, match=text):
        ct.reconstruct(phantom(3), options.pop("method", "fbp"), **options)


def test_arrays_need_a_voxel_size():
    with pytest.raises(ValueError, match=r"^spacing: "):
        ct.reconstruct(np.zeros((2, 16, 16), np.float32), "fbp", views=4)


def test_progress_and_warnings_arrive():
    seen = []
    result = ct.reconstruct(phantom(2), "sirt", iterations=3, progress=lambda *step: seen.append(step), **FAST)
    assert ("sirt", 3, 3) in seen
    assert any("inverse crime" in text for text in result.warnings)


def test_everything_is_documented_and_typed():
    for name in ct.__all__:
        value = getattr(ct, name)
        assert inspect.getdoc(value), name
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            assert signature.return_annotation is not inspect.Signature.empty, name
            assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values()), name
            assert "Raises:" in inspect.getdoc(value), name
    text = pydoc.plain(pydoc.render_doc(ct))
    assert "ct.reconstruct(volume" in text
    assert set(ct.methods()) >= {"fbp", "tv", "dds"} and "zsr" in ct.methods("superresolution")


def test_importing_it_is_instant():
    code = "import sys, ctdiffusion as ct; ct.methods(); print({'torch', 'numpy', 'SimpleITK'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE, check=True)
    assert done.stdout.strip() == "set()"
