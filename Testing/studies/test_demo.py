"""The demo on a small volume by the fastest method: files, places in the patient, honesty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.commands import main as cli
from ctdiffusion.images.volume import Volume, read_volume, write_volume
from ctdiffusion.studies import demo

pytest.importorskip("matplotlib")
ORIGIN = (-40.0, 17.0, -240.0)
SPACING = (4.0, 4.0, 2.5)


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volume:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (12, 48, 48)), indexing="ij")
    array = np.where(x**2 + 1.6 * y**2 < 0.5, 30.0, -1000.0)
    array[(x - 0.3) ** 2 + y**2 + 0.1 * z < 0.05] = 400.0
    volume = Volume(array.astype(np.float32), SPACING, ORIGIN)
    path = tmp_path / "sample.nii.gz"
    write_volume(volume, path)
    monkeypatch.setattr(demo, "sample_path", lambda: path)
    monkeypatch.setattr(demo, "SLAB", (3, 11))
    monkeypatch.setattr(demo, "METHODS", ("fbp",))
    return volume


def test_results_lie_on_the_input(sample: Volume, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "résultat un"
    (entry,) = demo.run(folder, full=False, device="cpu", methods=("fbp",))
    assert sorted(p.name for p in folder.iterdir()) == ["comparison.png", "fbp.nrrd", "reference.nrrd", "report.html"]
    result = sitk.ReadImage(str(folder / "fbp.nrrd"))
    assert result.GetSize() == (48, 48, 8)
    np.testing.assert_allclose(result.GetSpacing(), SPACING, atol=1e-6)
    np.testing.assert_allclose(result.GetOrigin(), (-40.0, 17.0, -240.0 + 3 * 2.5), atol=1e-4)
    reference = read_volume(folder / "reference.nrrd")
    np.testing.assert_array_equal(reference.array, sample.array[3:11])
    inside = reference.array > 0
    assert abs(float(np.median(entry.volume.array[inside] - reference.array[inside]))) < 60.0, "HU"
    assert entry.metrics["psnr"] is not None and entry.metrics["psnr"] > 15.0
    report = (folder / "report.html").read_text(encoding="utf-8")
    for text in ("finer than the one it", "100000 photons", "CC BY 3.0", "Not for diagnosis", "ram-lak"):
        assert text in report
    assert "error" not in capsys.readouterr().err


def test_full_takes_every_slice(sample: Volume, tmp_path: Path) -> None:
    (entry,) = demo.run(tmp_path / "full", full=True, device="cpu", methods=("fbp",))
    assert entry.volume.array.shape == sample.array.shape
    assert entry.volume.origin == pytest.approx(ORIGIN, abs=1e-4)


def test_bad_input_is_one_line(
    sample: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "sample_path", lambda: tmp_path / "missing.nii.gz")
    assert cli.main(["demo", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "missing.nii.gz" in error and error.count("\n") == 1


def test_sample_ships() -> None:
    assert demo.sample_path().name == demo.SAMPLE
    start, stop = demo.SLAB
    assert 12 <= stop - start <= 16, "SSIM in three dimensions needs 7 slices"


def test_progress_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    progress = demo.Progress()
    progress.step("dds", 0, 40)
    progress.step("dds", 1, 40)
    progress.warn("truncation")
    assert progress.warnings == ["truncation"]
    assert capsys.readouterr().out == "  dds ...\n  warning: truncation\n"
