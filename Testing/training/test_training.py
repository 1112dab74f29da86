"""Training: exact resume, patient split, examples as a function of their index, and the command end to end."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from ctdiffusion.commands.train import add_arguments
from ctdiffusion.images import volume
from ctdiffusion.priors.packs.pack import build_network, load_pack, load_state, read_info
from ctdiffusion.training import run as command
from ctdiffusion.training.cache import CachedVolume, held_out_patients, patient_of, read_cache, write_cache
from ctdiffusion.training.denoising import denoising_loss, draw_sigma, triplet_noise
from ctdiffusion.training.loop import LoopSettings, train
from ctdiffusion.training.recipes import recipe_named, recipes
from ctdiffusion.training.report_card import denoising_rmse
from ctdiffusion.training.triplets import TripletCrops
from priors.small_pack import INFO, small_pack
from training.random_volumes import write_volume

WINDOW = (-1000.0, 1600.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        write_volume(folder / f"patient_{number:03d}_256.nii.gz", number)
    return folder


@pytest.fixture
def volumes(data: Path, tmp_path: Path) -> list[tuple[CachedVolume, np.ndarray]]:
    write_cache(list(data.iterdir()), tmp_path / "cache")
    return read_cache(tmp_path / "cache")


def test_names_of_one_patient_belong_together() -> None:
    assert patient_of("acrin_flt_001_2_256") == patient_of("acrin_flt_001_chest_256") == "acrin_flt_001"
    assert patient_of("crlm_1006_256") == patient_of("crlm_1006_512")
    assert patient_of("rider_0109_256") != patient_of("rider_0117_256")


def test_the_split_keeps_patients_whole_and_never_changes() -> None:
    index = [CachedVolume(f"p_{k:03d}_{part}", f"p_{k:03d}", 10, 8, 8, 1.0, True) for k in range(20) for part in "ab"]
    chosen = held_out_patients(index, 0.2)
    assert chosen == held_out_patients(list(reversed(index)), 0.2)
    assert len(chosen) == 4
    assert held_out_patients(index, 0.0) == set()


def test_cache_holds_the_volume(volumes: list[tuple[CachedVolume, np.ndarray]], data: Path) -> None:
    entry, array = volumes[1]
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(data / f"{entry.name}.nii.gz")))
    assert np.array_equal(array, expected)
    assert (entry.spacing, entry.patient) == (pytest.approx(1.2), "patient_001")


def test_examples_are_functions_of_seed_and_index(volumes: list[tuple[CachedVolume, np.ndarray]]) -> None:
    crops = TripletCrops(volumes, WINDOW, 16, 100, seed=1)
    again = TripletCrops(volumes, WINDOW, 16, 100, seed=1)
    labels, spacings = set(), []
    for index in range(60):
        example = crops[index]
        assert torch.equal(example["stack"], again[index]["stack"])
        stack = example["stack"]
        assert stack.shape == (3, 16, 16) and float(stack.min()) >= 0.0 and float(stack.max()) <= 1.0
        same = torch.equal(stack[0], stack[1]) and torch.equal(stack[1], stack[2])
        assert same == (int(example["label"]) == 0)
        labels.add(int(example["label"]))
        spacings.append(float(example["log_spacing"].exp()))
    assert labels == {0, 1}, "five slices have room for adjacent triplets but not for stride three"
    assert min(spacings) < 1.1 and max(spacings) > 2.0
    assert not torch.equal(crops[0]["stack"], TripletCrops(volumes, WINDOW, 16, 100, seed=2)[0]["stack"])


def test_noise_levels_cover_what_samplers_use() -> None:
    sigma = draw_sigma(20_000, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert float(sigma.min()) >= 0.002 and float(sigma.max()) <= 5.0
    assert 0.05 < float(sigma.median()) < 0.1
    assert float((sigma > 1.0).float().mean()) > 0.02


def test_copies_of_one_slice_share_their_noise() -> None:
    noise = triplet_noise(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), torch.Generator().manual_seed(0))
    assert torch.equal(noise[0, 0], noise[0, 2])
    assert not torch.equal(noise[1, 0], noise[1, 2])


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(INFO.network, "test")


def run(folder: Path, volumes: list[tuple[CachedVolume, np.ndarray]], steps: int, resume: bool = False):
    settings = LoopSettings(steps=20, batch=2, warmup=2, learning_rate=2e-3)
    model = network()
    crops = TripletCrops(volumes, WINDOW, 16, 10_000, seed=0)
    stop = {"left": steps}
    loss = denoising_loss(0.3, 0.25)

    def counted(net: torch.nn.Module, batch: dict, generator: torch.Generator) -> torch.Tensor:
        if stop["left"] == 0:
            raise KeyboardInterrupt
        stop["left"] -= 1
        return loss(net, batch, generator)

    return train(model, crops, counted, replace(settings, checkpoint_minutes=0.0), folder, resume, lambda text: None)


def test_an_interrupted_training_goes_on_to_the_same_weights(
    tmp_path: Path, volumes: list[tuple[CachedVolume, np.ndarray]]
) -> None:
    unbroken = run(tmp_path / "a", volumes, 100)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", volumes, 7)
    resumed = run(tmp_path / "b", volumes, 100, resume=True)
    assert all(torch.equal(unbroken[name], value) for name, value in resumed.items())
    fresh = network().state_dict()
    assert not all(torch.equal(fresh[name], value) for name, value in unbroken.items())


def test_resume_without_a_checkpoint_is_refused(tmp_path: Path, volumes: list) -> None:
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "none", volumes, 1, resume=True)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_command_trains_a_pack_that_denoises(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volumes: list[tuple[CachedVolume, np.ndarray]]
) -> None:
    small = replace(recipe_named("ct-triplet-256"), network=INFO.network, crop=16, held_out=0.25)
    monkeypatch.setattr(command, "recipe_named", lambda name: small)
    out = tmp_path / "pack"
    words = ("ct-triplet-256", "--data", str(data), "--out", str(out), "--batch", "4")
    assert command.main(arguments(*words, "--steps", "30")) == 0
    before = load_pack(out)
    assert len(before.info.quality["validation"]) == 1
    (tried,) = before.info.quality["dds_psnr_db"].values()
    assert set(tried) == {"fbp", "tv", "dds"}
    assert before.info.quality["denoising_loss"]["0.5"] < 1.5
    assert (tmp_path / "pack.training" / "checkpoint.pt").is_file()
    assert command.main(arguments(*words, "--steps", "400", "--resume")) == 0
    after = load_pack(out)
    card = [denoising_rmse(prior, volumes, 2, (0.5,))["0.5"] for prior in (before, after)]
    assert card[1] < card[0]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("nonsense", "--data", "."), "recipe"),
        (("ct-triplet-256", "--data", "missing-folder"), "data"),
        (("ct-triplet-256", "--data", ".", "--resume"), "resume"),
        (("ct-triplet-256", "--data", ".", "--steps", "0"), "steps"),
    ],
)
def test_command_refuses_by_name(words: tuple[str, ...], named: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=named):
        command.main(arguments(*words, "--out", str(tmp_path / "pack")))


def test_every_recipe_builds_its_network() -> None:
    sizes = {}
    for name, recipe in recipes().items():
        with torch.device("meta"):
            model = build_network(recipe.network, name)
        sizes[name] = sum(value.numel() for value in model.parameters())
    assert sizes["ct-triplet-256"] < 4e6
    assert sizes["ct-triplet-256-large"] >= 15e6


def test_anatomical_augmentation_repeats_and_moves() -> None:
    pytest.importorskip("monai")
    from ctdiffusion.training.augmentation import anatomical

    augment = anatomical()
    stack = torch.rand(3, 24, 24)
    results = [augment(stack, seed) for seed in range(8)]
    assert torch.equal(results[3], augment(stack, 3))
    moved = sum(not torch.equal(result, stack) for result in results)
    assert 1 <= moved <= 7


def test_an_mr_volume_enters_in_its_square_planes_per_mille(tmp_path: Path) -> None:
    array = np.random.default_rng(0).uniform(0.0, 80.0, (6, 8, 10)).astype(np.float32)
    volume.write_volume(volume.Volume(array, (1.0, 1.0, 1.01)), tmp_path / "head.nrrd")
    volume.write_volume(volume.Volume(array + 1.0, (1.0, 1.0, 3.0)), tmp_path / "thick.nrrd")
    paths = sorted(tmp_path.glob("*.nrrd"))
    names = [entry.name for entry in write_cache(paths, tmp_path / "cache", "MR")]
    assert names == ["head_axial", "head_coronal", "head_sagittal", "thick_axial"]
    cached = {entry.name: stored for entry, stored in read_cache(tmp_path / "cache")}
    expected = array * 1000.0 / np.percentile(array, 99.9)
    assert np.abs(cached["head_axial"] - expected).max() <= 0.51
    assert np.abs(cached["head_coronal"][3] - expected[:, 3]).max() <= 0.51
    assert np.abs(cached["head_sagittal"][4] - expected[:, :, 4]).max() <= 0.51


def test_training_can_start_from_a_pack(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volumes: list[tuple[CachedVolume, np.ndarray]]
) -> None:
    small = replace(recipe_named("ct-triplet-256"), network=INFO.network, crop=16, held_out=0.25, modality="MR")
    monkeypatch.setattr(command, "recipe_named", lambda name: small)
    write_cache(sorted(data.glob("*.nii.gz")), tmp_path / "ready")
    begin = small_pack(tmp_path / "begin")
    words = ("mri-t1-256", "--data", str(tmp_path / "ready"), "--batch", "1", "--steps", "1")
    command.main(arguments(*words, "--out", str(tmp_path / "tuned"), "--init", str(begin)))
    before, after = load_state(begin, read_info(begin)), load_state(tmp_path / "tuned", read_info(tmp_path / "tuned"))
    assert max(float((after[name] - value).abs().max()) for name, value in before.items()) < 1e-3
    tuned = read_info(tmp_path / "tuned")
    assert "dds_psnr_db" not in tuned.quality
    assert set(tuned.training_data) > set(INFO.training_data)
    assert "3 volumes of 3 patients" in tuned.training_data[0]
    assert INFO.licence in tuned.licence and "Started from small" in tuned.attribution
    with pytest.raises(ValueError, match="init: the network of ct-triplet-256"):
        command.main(arguments(*words, "--out", str(tmp_path / "other"), "--init", "ct-triplet-256"))


@pytest.mark.skipif(sys.platform == "win32", reason="gloo under torchrun on POSIX")
def test_two_processes_prepare_in_turn_and_end_together(tmp_path: Path) -> None:
    """By time, with clocks that differ: one that went on alone would wait for ever."""
    script, package = Path(__file__).with_name("two_processes.py"), Path(command.__file__).parents[2]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, str(script), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert (first["found"], second["found"]) == (False, True)
    assert first["weights"] == second["weights"]
