"""One anatomy, stored in any order of axes, is scanned the same way and comes back where it lay."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.orientation import nearest_order, oblique_warnings, to_lps, to_slices
from ctdiffusion.images.volume import Volume, read_volume, write_volume
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.quality.metrics import compare

SPACING, ORIGIN = (1.5, 1.75, 4.0), (-31.0, -22.0, 105.0)
ORDERS = [(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]
NAMES = ["LPS", "LAS", "RAS", "LPI", "PSL", "PIR", "LSA", "LIP", "ASR", "SRA"]


def body() -> Volume:
    """A body without any symmetry, in LPS."""
    z, y, x = np.mgrid[:6, :24, :28]
    hu = np.where(((x - 14) / 12) ** 2 + ((y - 12) / 9) ** 2 < 1, 40.0 + 5 * z, -1000.0)
    hu[(x - 18) ** 2 + (y - 15) ** 2 < 8] = 900.0
    hu[(x - 8) ** 2 + (y - 9) ** 2 < 5] = -800.0
    return Volume(hu.astype(np.float32), SPACING, ORIGIN)


def stored(volume: Volume, name: str) -> Volume:
    """The same voxels as SimpleITK stores them in another order: the library is the judge of what is where."""
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image = sitk.DICOMOrient(image, name)
    return Volume(sitk.GetArrayFromImage(image), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def same_place(one: Volume, other: Volume, within: float = 1e-9) -> None:
    np.testing.assert_allclose(one.spacing, other.spacing, atol=within)
    np.testing.assert_allclose(one.origin, other.origin, atol=within)
    np.testing.assert_allclose(one.direction, other.direction, atol=within)


@pytest.mark.parametrize("name", NAMES)
def test_any_order_becomes_lps_and_comes_back_exactly(name):
    volume = stored(body(), name)
    laid, undo = to_lps(volume)
    np.testing.assert_array_equal(laid.array, body().array)
    same_place(laid, body())
    back = undo(laid)
    np.testing.assert_array_equal(back.array, volume.array)
    assert (back.spacing, back.origin, back.direction) == (volume.spacing, volume.origin, volume.direction)


def test_lps_itself_is_not_copied():
    volume = body()
    laid, undo = to_lps(volume)
    assert laid is volume and undo(laid) is volume


@pytest.mark.parametrize("axes, flips", ORDERS)
def test_every_order_of_an_oblique_volume(axes, flips):
    """All 48 orders of a volume 6 degrees off lead to one laid volume, voxel for voxel, place for place."""
    c, s = np.cos(0.1), np.sin(0.1)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    plain = Volume(body().array, SPACING, ORIGIN, tuple(turn.ravel()))
    matrix, origin = turn[:, list(axes)].copy(), np.array(ORIGIN)
    counts = [plain.array.shape[2 - a] for a in axes]
    array = np.transpose(plain.array, [2 - axes[2], 2 - axes[1], 2 - axes[0]])
    for k in range(3):
        if flips[k]:
            origin = origin + (counts[k] - 1) * SPACING[axes[k]] * matrix[:, k]
            matrix[:, k] *= -1
            array = np.flip(array, 2 - k)
    volume = Volume(array, tuple(SPACING[a] for a in axes), tuple(origin), tuple(matrix.ravel()))
    laid, undo = to_lps(volume)
    np.testing.assert_array_equal(laid.array, plain.array)
    same_place(laid, plain)
    np.testing.assert_array_equal(undo(laid).array, volume.array)
    same_place(undo(laid), volume, 0.0)


def test_axes_are_used_once_each_at_45_degrees():
    c = np.sqrt(0.5)
    axes, _ = nearest_order((c, -c, 0, c, c, 0, 0, 0, 1))
    assert sorted(axes) == [0, 1, 2]
    axes, _ = nearest_order((0.6, 0.8, 0, -0.8, 0.6, 0, 0, 0, 1))
    assert axes == (1, 0, 2)


@pytest.mark.parametrize("degrees, told", [(0, False), (5, False), (15, True), (40, True)])
def test_an_oblique_volume_is_told(degrees, told):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    volume = Volume(body().array, SPACING, ORIGIN, (1, 0, 0, 0, c, -s, 0, s, c))
    warnings = oblique_warnings(volume)
    assert bool(warnings) == told and all(f"{degrees} degrees" in text for text in warnings)


@pytest.mark.parametrize("name", NAMES)
def test_planes_of_the_metrics_are_the_patients(name):
    noise = np.random.default_rng(0).normal(0, 1, body().array.shape) * np.array([1, 30, 5, 60, 2, 9])[:, None, None]
    result = body().like(body().array + noise)
    mask = np.zeros(noise.shape, bool)
    mask[1:4, 6:18, 7:20] = True
    for given in (None, mask):
        expected = compare(result, body(), mask=given)
        turned = None if given is None else stored(body().like(given), name).array > 0.5
        found = compare(stored(result, name), stored(body(), name), mask=turned)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert found[key] == pytest.approx(value, rel=1e-6, nan_ok=True), key


def job(folder: Path, volume: Volume, **values: object) -> tuple[Volume, dict, list[str]]:
    folder.mkdir()
    write_volume(volume, folder / "in.nrrd")
    spec = {"schema": 1, "input": "in.nrrd", "method": "fbp", "geometry": "fan", "views": 40, "limited_deg": [0, 110]}
    (folder / "spec.json").write_text(json.dumps(spec | values))
    warnings: list[str] = []
    status = run_job(folder, listener=lambda e: warnings.append(e["text"]) if e["event"] == "warning" else None)
    assert status.state == "done", status.error
    return read_volume(folder / "result/reconstruction.nrrd", True), status.metrics or {}, warnings


def test_a_limited_arc_gives_the_same_result_in_any_order(tmp_path):
    """The arc lies on the patient's side that `geometry.py` promises, with the noise of the same slices."""
    expected, figures, _ = job(tmp_path / "plain", body())
    for name in ("LAS", "RAS", "LPI", "PSL", "LSA"):
        volume = stored(body(), name)
        found, numbers, _ = job(tmp_path / name, volume)
        same_place(found, volume, 1e-6)
        np.testing.assert_allclose(found.array, stored(expected, name).array, atol=1e-2, err_msg=name)
        for key in ("psnr_axial", "psnr_coronal", "psnr_sagittal", "rmse_hu"):
            assert numbers[key] == pytest.approx(figures[key], rel=1e-6), (name, key)


def test_slices_are_those_of_the_file_and_have_their_own_noise(tmp_path):
    """Slices 1:3 of a stack stored from head to foot are slices 3:5 from the feet."""
    expected, _, _ = job(tmp_path / "plain", body(), slices=[3, 5])
    volume = stored(body(), "LPI")
    found, _, _ = job(tmp_path / "head first", volume, slices=[1, 3], keep_projections=True)
    same_place(found, volume.slices(1, 3), 1e-6)
    np.testing.assert_allclose(found.array[::-1], expected.array, atol=1e-2)
    _, _, warnings = job(tmp_path / "sagittal", stored(body(), "PSL"), slices=[4, 24])
    assert any("does not run from head to foot" in text for text in warnings)


@pytest.mark.parametrize(
    "name, spacing, expected",
    [
        ("LPS", (1, 1, 4), "LPS"), ("PSL", (1, 1, 4), "LPS"), ("LAI", (1, 1, 1), "LPS"), ("LIP", (1, 6, 1), "LIP"),
        ("LSP", (1, 6, 1), "LIP"), ("PIR", (6, 1, 1), "PIR"), ("ASL", (6, 1, 1), "PIR"), ("RAS", (6, 1, 1), "PIR"),
    ],
)  # fmt: skip
def test_thick_slices_are_the_slices_whatever_the_order(name, spacing, expected):
    volume = stored(Volume(body().array, spacing, ORIGIN), name)
    laid, undo = to_slices(volume)
    wanted = stored(Volume(body().array, spacing, ORIGIN), expected)
    np.testing.assert_array_equal(laid.array, wanted.array)
    same_place(laid, wanted)
    np.testing.assert_array_equal(undo(laid).array, volume.array)
    same_place(undo(laid), volume, 0.0)
