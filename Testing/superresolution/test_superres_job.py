"""Super-resolution jobs through the worker: results, gates, cancel, resume, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.volume import Volume
from ctdiffusion.jobs.events import read_events
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.stopping import CANCELLED, StopRequest
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.priors.packs.pack import write_pack
from dicom_files import write_series
from job_helpers import leftovers, result_of
from priors.small_pack import INFO, small_state
from superresolution.stacks import OBLIQUE, head, make_job

MR_INFO = replace(INFO, name="small-mr", modality="MR", window=(0.0, 1000.0))


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny packs under the names of the default ones."""
    folder = tmp_path / "packs"
    write_pack(folder / "ct-triplet-256", INFO, small_state())
    write_pack(folder / "mri-t1-256", MR_INFO, small_state())
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(folder))
    return folder


def warnings_of(job: JobFolder) -> list[str]:
    return [event["text"] for event in read_events(job.events) if event["event"] == "warning"]


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_a_thick_volume_becomes_a_thin_one_at_its_place(tmp_path: Path, packs: Path, modality: str) -> None:
    volume = head(5, modality=modality)
    job = make_job(tmp_path / "job", volume, method="zsr", factor=3, parameters={"steps": 2})
    assert run_job(job.path).state == "done", job.read_status().error
    image = sitk.ReadImage(str(job.volume))
    assert image.GetSize() == (14, 16, 15)
    assert image.GetSpacing() == pytest.approx((1.1, 0.9, 1.0 / 3))
    assert image.GetDirection() == pytest.approx(OBLIQUE)
    place = image.TransformPhysicalPointToContinuousIndex(volume.origin)
    assert place == pytest.approx((0, 0, 1), abs=1e-6)
    thin = sitk.GetArrayFromImage(image)
    assert np.abs(thin.reshape(5, 3, 16, 14).mean(1) - volume.array).max() < 0.02
    record = json.loads(job.provenance.read_text())
    assert record["modality"] == modality
    assert record["prior"]["name"] == ("small" if modality == "CT" else "small-mr")
    assert record["spec"]["task"] == "superresolution"
    assert record["metrics"] is None
    assert record["misfit"]["relative"] < 1e-5


def test_simulated_thick_slices_are_judged_against_the_thin_ones(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job", head(13), method="bspline", factor=3, simulate_from_thin=True)
    assert run_job(job.path).state == "done"
    metrics = job.read_status().metrics
    assert metrics is not None
    truth = head(13).array[:12]
    scale = 1000 / np.percentile(truth, 99.9)
    rmse = float(np.sqrt(np.mean(((result_of(job) - truth) * scale) ** 2)))
    assert metrics["rmse_permille"] == pytest.approx(rmse, rel=1e-4)
    assert set(metrics) >= {"psnr", "ssim", "psnr_coronal", "ssim_sagittal"}
    assert any("the last 1 are left out" in text for text in warnings_of(job))
    thick = sitk.ReadImage(str(job.result / "thick.nrrd"))
    assert thick.GetSpacing() == pytest.approx((1.1, 0.9, 3.0))
    assert np.allclose(sitk.GetArrayFromImage(thick), truth.reshape(4, 3, 16, 14).mean(1), atol=1e-3)


def test_the_reference_is_not_seen_by_the_method(tmp_path: Path) -> None:
    """The same thick slices, given or simulated, lead to the same thin ones."""
    truth = head(12)
    simulated = make_job(tmp_path / "a" / "job", truth, method="tv", simulate_from_thin=True)
    thick = truth.array.reshape(4, 3, 16, 14).mean(1)
    given = make_job(tmp_path / "b" / "job", Volume(thick, (1.1, 0.9, 3.0), direction=truth.direction), method="tv")
    assert run_job(simulated.path).state == run_job(given.path).state == "done"
    assert np.allclose(result_of(simulated), result_of(given), atol=1e-2)


@pytest.mark.parametrize(
    ("volume", "changes", "texts"),
    [
        (head(6), {"method": "zsr", "prior": "ct-triplet-256"}, ("prior of CT", "not HU", "--assume-hu")),
        (head(6, modality="CT"), {"method": "zsr", "prior": "mri-t1-256"}, ("prior of MR", "input.nrrd", "HU")),
        (head(1), {}, ("input.nrrd: one slice", "at least two")),
        (head(5), {"simulate_from_thin": True}, ("factor: 5 thin slices do not make two thick ones of 3",)),
        (head(6), {"method": "zsr", "prior": "nobody"}, ("no pack named 'nobody'",)),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path: Path, packs: Path, volume: Volume, changes: dict, texts: tuple) -> None:
    job = make_job(tmp_path / "job", volume, **changes)
    status = run_job(job.path)
    assert (status.state, status.bad_input, status.exit_code) == ("failed", True, 2)
    assert status.error is not None
    for text in texts:
        assert text in status.error
    assert "\n" not in status.error
    assert not job.result.exists()


def test_mr_taken_for_hu_on_request(tmp_path: Path, packs: Path) -> None:
    job = make_job(
        tmp_path / "job", head(4), method="zsr", prior="ct-triplet-256", assume_hu=True, parameters={"steps": 1}
    )
    assert run_job(job.path).state == "done"
    assert json.loads(job.provenance.read_text())["modality"] == "CT"


def test_unusual_pixels_are_warned_of(tmp_path: Path, packs: Path) -> None:
    volume = Volume(head(4).array, (0.9, 0.9, 8.0))
    job = make_job(tmp_path / "job", volume, method="zsr", factor=2, parameters={"steps": 1})
    assert run_job(job.path).state == "done"
    text = " ".join(warnings_of(job))
    assert "coronal planes: prior small-mr knows square pixels, these are 4 x 0.9 mm" in text
    wide = Volume(head(4).array, (9.0, 9.0, 18.0))
    job = make_job(tmp_path / "other" / "job", wide, method="zsr", factor=2, parameters={"steps": 1})
    assert run_job(job.path).state == "done"
    assert any("outside of what it has learnt" in text for text in warnings_of(job))


@pytest.mark.parametrize(("rows", "columns", "slices"), [(16, 16, 2), (17, 13, 7), (40, 9, 3)])
def test_any_size_will_do(tmp_path: Path, packs: Path, rows: int, columns: int, slices: int) -> None:
    job = make_job(tmp_path / "job", head(slices, rows, columns), method="zsr", parameters={"steps": 2})
    assert run_job(job.path).state == "done"
    assert result_of(job).shape == (3 * slices, rows, columns)


def test_a_cancelled_job_resumes_to_the_same_result(tmp_path: Path, packs: Path) -> None:
    options = {"method": "zsr", "parameters": {"steps": 5}, "seed": 3}
    unbroken = make_job(tmp_path / "a" / "job", head(4), **options)
    assert run_job(unbroken.path).state == "done"
    job = make_job(tmp_path / "b" / "job", head(4), **options)
    stop = StopRequest()

    def cancel_later(event: dict) -> None:
        if event["event"] == "saved" and event["step"] == 3:
            stop.ask(CANCELLED)

    assert run_job(job.path, listener=cancel_later, stop=stop, save_s=0.0).state == "cancelled"
    assert not job.result.exists()
    assert leftovers(job.path) == []
    assert run_job(job.path, resume=True).state == "done"
    assert any(event["event"] == "resumed" and event["step"] >= 3 for event in read_events(job.events))
    assert np.array_equal(result_of(job), result_of(unbroken))


def test_a_task_nobody_knows_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path / "job")
    values = {**SuperResolutionSpec(input=str(tmp_path / "input.nrrd")).to_dict(), "task": "dance"}
    job.spec.write_text(json.dumps(values), encoding="utf-8")
    status = run_job(job.path)
    assert status.bad_input
    assert status.error is not None and status.error.startswith("spec.task")


def series_job(folder: Path, lowest: int, **changes: object) -> JobFolder:
    """A job on a DICOM series with values from `lowest` to `lowest` + 1600."""
    values = np.linspace(lowest, lowest + 1600, 6 * 16 * 16).reshape(6, 16, 16).astype(np.int16)
    write_series(folder / "series", values, **changes)
    job = JobFolder(folder / "job")
    job.create(SuperResolutionSpec(input=str(folder / "series"), factor=2, parameters={"steps": 1}))
    return job


@pytest.mark.parametrize("lowest", [-900, 0])
def test_the_modality_of_a_dicom_series_decides(tmp_path: Path, packs: Path, lowest: int) -> None:
    job = series_job(tmp_path, lowest, modality="MR")
    status = run_job(job.path)
    if lowest < 0:
        assert status.bad_input and "no MR magnitudes" in (status.error or "")
        return
    assert status.state == "done", status.error
    assert json.loads(job.provenance.read_text())["modality"] == "MR"
    assert not any("taken for" in text for text in warnings_of(job))


@pytest.mark.parametrize(
    ("lowest", "changes", "text"),
    [
        (0, {}, "with no air or fat are not HU"),
        (-900, {"intercept": None, "slope": None}, "no rescale to HU"),
        (-900, {"modality": "PT"}, "modality PT, not CT or MR"),
    ],
)
def test_a_series_that_contradicts_itself_is_refused(
    tmp_path: Path, packs: Path, lowest: int, changes: dict, text: str
) -> None:
    status = run_job(series_job(tmp_path, lowest, **changes).path)
    assert status.bad_input and text in (status.error or "")


def test_another_body_part_is_told(tmp_path: Path, packs: Path) -> None:
    job = series_job(tmp_path, -900, body_part="HEAD")
    assert run_job(job.path).state == "done"
    assert any("body part HEAD" in text for text in warnings_of(job))


def test_a_guess_is_told(tmp_path: Path, packs: Path) -> None:
    job = make_job(tmp_path / "job", head(4))
    assert run_job(job.path).state == "done"
    assert any("taken for MR: input.nrrd" in text and "--assume-hu" in text for text in warnings_of(job))
    ct = make_job(tmp_path / "other" / "job", head(4, modality="CT"))
    assert run_job(ct.path).state == "done"
    assert all("lies oblique" in text for text in warnings_of(ct))


def test_normalised_values_are_neither_hu_nor_magnitudes(tmp_path: Path, packs: Path) -> None:
    values = head(4).array
    job = make_job(tmp_path / "job", Volume((values - values.mean()) / values.std() * 6.0, (1.0, 1.0, 3.0)))
    status = run_job(job.path)
    assert status.bad_input and "no MR magnitudes" in (status.error or "")


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_a_label_map_is_refused(tmp_path: Path, kind: type) -> None:
    image = sitk.GetImageFromArray((head(6).array / 300).astype(kind))
    sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
    job = JobFolder(tmp_path / "job")
    job.create(SuperResolutionSpec(input=str(tmp_path / "labels.nrrd"), method="linear", factor=3))
    status = run_job(job.path)
    assert status.bad_input and "looks like a label map" in (status.error or "")
