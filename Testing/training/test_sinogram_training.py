"""Sinogram examples: wrap-around windows, subsets, mirror images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ctdiffusion.priors.packs.pack import build_network
from ctdiffusion.training.biography import UNNAMED
from ctdiffusion.training.cache import CachedVolume
from ctdiffusion.training.loop import LoopSettings, train
from ctdiffusion.training.recipes import recipe_named
from ctdiffusion.training.sinogram_task import SIGMA_HIGHEST, SIGMA_LOWEST, SinogramTask, draw_sigma
from ctdiffusion.training.sinograms import FULL, SPARSE, Sinograms, SinogramWindows, write_sinograms


def volumes() -> list[tuple[CachedVolume, np.ndarray]]:
    y, x = np.mgrid[:32, :32] - 15.5
    disc = np.where(np.hypot(x - 4, y) < 8, 40, -1000)
    return [(CachedVolume("body_001", "body_001", 3, 32, 32, 2.0, True), np.stack([disc] * 3).astype(np.int16))]


def test_sinograms_are_full_turns_of_both_beams(tmp_path: Path) -> None:
    store = write_sinograms(volumes(), tmp_path, 24, 48, 32, report=lambda text: None)
    assert store.data.shape == (3, 24, 48)
    fan, parallel = store.data[0].astype(float) / 1000.0, store.data[2].astype(float) / 1000.0
    # A pixelated disc of 16 mm, 40 HU above water: chords of 32 mm and a little more.
    assert 32 * 0.0193 < fan.max() < 36 * 0.0193
    assert np.array_equal(parallel[12:], parallel[:12, ::-1])
    assert np.abs(fan - parallel).mean() < 0.1 * fan.mean()


def test_windows_wrap_and_subsets_are_regular() -> None:
    data = np.arange(36, dtype=np.int16)[None, :, None] * np.ones((1, 36, 3), np.int16) * 10
    windows = SinogramWindows(Sinograms(data, np.ones(1)), 1.0, 12, seed=1)
    labels = set()
    for index in range(40):
        example = windows[index]
        rows = torch.round(example["stack"][0, :, 0] * 100).long()
        step = {FULL: 1, SPARSE: 6}[int(example["label"])]
        labels.add(int(example["label"]))
        assert {int(d) % 36 for d in torch.diff(rows)} in ({step}, {36 - step})
        assert torch.equal(windows[index]["stack"], example["stack"])
    assert labels == {FULL, SPARSE}


def test_noise_levels_stay_in_the_range_and_centre_where_sinograms_need_them() -> None:
    sigma = draw_sigma(20_000, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert float(sigma.min()) >= SIGMA_LOWEST and float(sigma.max()) <= SIGMA_HIGHEST
    assert float(sigma.median()) == pytest.approx(0.013, rel=0.15)


def test_the_task_trains_and_its_card_tells_both_labels_apart(tmp_path: Path) -> None:
    task = SinogramTask(views=36, columns=48, rows=16, size=32)
    network = {"class": "TripletUNet", "widths": [4, 4, 4, 4], "blocks": [1, 1, 1, 1], "labels": 2, "slices": 1}
    recipe = replace(recipe_named("sinogram-360"), network=network, task=task)
    lesson = task.lesson(recipe, volumes(), tmp_path, 0, None)
    made = build_network(network, "test")
    state = train(made, lesson.dataset, lesson.loss, LoopSettings(steps=3, batch=2), tmp_path)
    made.load_state_dict(state)
    card = task.card(recipe, made, volumes())
    assert set(card["denoising_rmse"]) == {"0.001", "0.003", "0.01", "0.03", "0.1", "0.3"}
    assert {name.split()[0] for name in card["sinogram_rmse_over_sigma"]} == {"full", "subset"}
    assert (tmp_path / "sinograms" / "sinograms.json").is_file()
    assert (task.info(recipe, UNNAMED).scan["full_views"], task.info(recipe, UNNAMED).scan["columns"]) == (36, 48)
