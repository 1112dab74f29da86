"""Caches of the training: taken again for the same data and scan, refused for others by folder and difference."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.training.cache import CachedVolume, read_cache, write_cache
from ctdiffusion.training.degradations import check_degradations, write_degradations
from ctdiffusion.training.madefrom import volumes_differ, volumes_record
from ctdiffusion.training.recipes import recipe_named
from ctdiffusion.training.restoration_task import RestorationTask
from ctdiffusion.training.sinogram_task import SinogramTask
from ctdiffusion.training.sinograms import check_sinograms, write_sinograms
from ctdiffusion.training.sources import volumes_of
from ctdiffusion.training.task import Volumes
from training.random_volumes import write_volume

SILENT = {"report": lambda text: None}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(2):
        write_volume(folder / f"patient_{number:03d}.nrrd", number)
    return folder


def names(volumes: Volumes) -> list[str]:
    return [entry.name for entry, _ in volumes]


def test_the_same_images_find_their_cache_and_others_are_refused(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "work" / "cache"
    first = volumes_of([data], cache, "CT")
    made = (cache / "index.json").stat().st_mtime_ns
    assert names(volumes_of([data], cache, "CT")) == names(first) == ["patient_000", "patient_001"]
    assert (cache / "index.json").stat().st_mtime_ns == made
    with pytest.raises(ValueError, match=r"work.cache was made for CT, not MR: remove it or choose another --work$"):
        volumes_of([data], cache, "MR")
    write_volume(data / "patient_001.nrrd", 7)
    with pytest.raises(ValueError, match=r"work.cache was made from another patient_001.nrrd: remove it"):
        volumes_of([data], cache, "CT")
    write_volume(data / "patient_001.nrrd", 1)
    for number in (2, 3):
        write_volume(data / f"patient_{number:03d}.nrrd", number)
    with pytest.raises(ValueError, match=r"was made without patient_002.nrrd and 1 more: remove it"):
        volumes_of([data], cache, "CT")
    other = tmp_path / "other"
    other.mkdir()
    write_volume(other / "patient_000.nrrd", 0)
    with pytest.raises(ValueError, match=r"was made with patient_001.nrrd: remove it"):
        volumes_of([other], cache, "CT")


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_cache_without_a_record_is_taken_by_its_names(data: Path, tmp_path: Path, modality: str) -> None:
    cache = tmp_path / "cache"
    write_cache(sorted(data.iterdir()), cache, modality)
    (cache / "images.json").unlink()
    entries = json.loads((cache / "index.json").read_text(encoding="utf-8"))
    for entry in entries:
        del entry["sha256"]
    (cache / "index.json").write_text(json.dumps(entries), encoding="utf-8")
    assert len(volumes_of([data], cache, modality)) == 2
    write_volume(data / "patient_002.nrrd", 2)
    with pytest.raises(ValueError, match=r"was made without patient_002: remove it"):
        volumes_of([data], cache, modality)


def test_caches_and_folders_of_images_are_used_together(data: Path, tmp_path: Path) -> None:
    ready = []
    for number in (4, 5):
        write_volume(tmp_path / f"patient_{number:03d}.nrrd", number)
        ready.append(tmp_path / f"ready{number}")
        write_cache([tmp_path / f"patient_{number:03d}.nrrd"], ready[-1])
    found = volumes_of([ready[0], data, ready[1]], tmp_path / "cache", "CT")
    assert names(found) == ["patient_004", "patient_005", "patient_000", "patient_001"]
    assert not (tmp_path / "none").exists()
    assert names(volumes_of(ready, tmp_path / "none", "CT")) == ["patient_004", "patient_005"]
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match=r"data: two volumes are called patient_004"):
        volumes_of([ready[0], ready[0]], tmp_path / "none", "CT")
    with pytest.raises(ValueError, match=r"data: no folder"):
        volumes_of([ready[0], tmp_path / "missing"], tmp_path / "none", "CT")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"data: no NIfTI, NRRD or MHA volume in .*empty"):
        volumes_of([ready[0], tmp_path / "empty"], tmp_path / "none", "CT")


def discs(*slices: int, spacing: float = 2.0) -> Volumes:
    y, x = np.mgrid[:32, :32] - 15.5
    disc = np.where(np.hypot(x, y) < 11, 40, -1000).astype(np.int16)
    return [
        (CachedVolume(f"body_{k:03d}", f"body_{k:03d}", count, 32, 32, spacing, True), np.stack([disc] * count))
        for k, count in enumerate(slices)
    ]


def forget(path: Path, *keys: str) -> None:
    """Take the record back to what it was before there was one."""
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: value for key, value in record.items() if key not in keys}), encoding="utf-8")


def test_degradations_are_those_of_the_volumes_and_levels_asked_for(tmp_path: Path) -> None:
    folder, own = tmp_path / "degradations", discs(3, 2)
    write_degradations(own, (30, 18), folder, 32, **SILENT)
    small = [(CachedVolume("crop_009", "crop_009", 1, 8, 8, 1.0, True), np.zeros((1, 8, 8), np.int16))]
    check_degradations(folder, own + small, (18,), 32)  # volumes of other sizes never entered
    for volumes, views, text in (
        (own, (30, 20, 10), "was made without scans of 20, 10 views:"),
        (discs(3), (30,), "was made with body_001:"),
        (discs(3, 2, 1, 1), (30,), "was made without body_002 and 1 more:"),
        (discs(3, 2, spacing=1.5), (30,), "was made from another body_000 and 1 more:"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            check_degradations(folder, volumes, views, 32)
        assert str(error.value).startswith(f"data: the cache {folder} ") and "\n" not in str(error.value)
    forget(folder / "degradations.json", "volumes", "size", "slices")
    check_degradations(folder, own, (30, 18), 32)
    for volumes in (discs(3, 3), discs(3, 2, spacing=1.5)):
        with pytest.raises(ValueError, match="was made from other volumes:"):
            check_degradations(folder, volumes, (30,), 32)


def test_sinograms_are_those_of_the_volumes_views_and_columns_asked_for(tmp_path: Path) -> None:
    folder, own = tmp_path / "sinograms", discs(2)
    write_sinograms(own, folder, 24, 48, 32, **SILENT)
    check_sinograms(folder, own, 24, 48, 32)
    with pytest.raises(ValueError, match="was made with views 24, not 36, with columns 48, not 60: remove it"):
        check_sinograms(folder, own, 36, 60, 32)
    with pytest.raises(ValueError, match="was made from another body_000:"):
        check_sinograms(folder, discs(3), 24, 48, 32)
    forget(folder / "sinograms.json", "volumes", "size", "slices")
    check_sinograms(folder, own, 24, 48, 32)
    with pytest.raises(ValueError, match="was made with columns 48, not 60, from other volumes:"):
        check_sinograms(folder, discs(2, 1), 24, 60, 32)


def test_the_tasks_check_what_they_find(tmp_path: Path) -> None:
    restoring = RestorationTask((30, 18), composite=False, size=32)
    cvg = replace(recipe_named("fbpconvnet-256"), crop=16, task=restoring)
    turns = SinogramTask(views=24, columns=48, rows=16, size=32)
    sinogram = replace(recipe_named("sinogram-360"), task=turns)
    for task, recipe, folder in ((restoring, cvg, "degradations"), (turns, sinogram, "sinograms")):
        for _ in range(2):
            task.lesson(recipe, discs(2), tmp_path, 0, None)
        with pytest.raises(ValueError, match=rf"{folder} was made from another body_000:"):
            task.lesson(recipe, discs(1), tmp_path, 0, None)
    with pytest.raises(ValueError, match="degradations was made without scans of 11 views"):
        replace(restoring, views=(30, 11)).lesson(cvg, discs(2), tmp_path, 0, None)


def test_voxels_count_where_their_hash_was_taken(data: Path, tmp_path: Path) -> None:
    write_cache(sorted(data.iterdir()), tmp_path / "cache")
    entries = [entry for entry, _ in read_cache(tmp_path / "cache")]
    record = volumes_record(entries)
    assert all(len(facts["sha256"]) == 64 for facts in record.values())
    assert volumes_differ(record, entries) == []
    assert volumes_differ(record, [replace(entries[0], sha256=""), entries[1]]) == []
    assert volumes_differ(record, [replace(entries[0], sha256="0"), entries[1]]) == ["from another patient_000"]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_damaged_image_is_named_and_nothing_is_left(data: Path, tmp_path: Path, modality: str) -> None:
    (data / "patient_001.nrrd").write_bytes(b"NRRD0004\njunk")
    with pytest.raises(ValueError, match=r"^patient_001.nrrd"):
        volumes_of([data], tmp_path / "work" / "cache", modality)
    assert not (tmp_path / "work").exists()
