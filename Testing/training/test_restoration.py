"""Training of restoration networks: degraded scans, EPCT's second step, resume, start from a denoiser."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ctdiffusion.core.units import HUWindow
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.priors.networks.cold_unet import ColdUNet, from_triplets
from ctdiffusion.priors.packs.pack import build_network, locate_pack, read_info
from ctdiffusion.training import loop, restoration
from ctdiffusion.training.biography import UNNAMED, inheriting
from ctdiffusion.training.cache import CachedVolume
from ctdiffusion.training.degradations import (
    BEAMS,
    Degradations,
    degraded_hu,
    read_degradations,
    scan_of,
    slice_grid,
    write_degradations,
)
from ctdiffusion.training.loop import LoopSettings, train
from ctdiffusion.training.recipes import recipe_named
from ctdiffusion.training.restoration import CompositeStep, DegradedCrops, restoration_loss
from ctdiffusion.training.restoration_task import RestorationTask
from torch import Tensor, nn

VIEWS = (60, 30, 18)
WINDOW = HUWindow(-1000.0, 1600.0)
NETWORK = {"class": "ColdUNet", "levels": list(VIEWS), "widths": [4, 4], "blocks": [1, 1]}


def volumes() -> list[tuple[CachedVolume, np.ndarray]]:
    y, x = np.mgrid[:32, :32] - 15.5
    disc = np.where(np.hypot(x, y) < 11, 40, -1000) + 200 * (np.hypot(x - 3, y + 4) < 3)
    stack = np.stack([np.roll(disc, k, 1) for k in (-2, -1, 0, 1, 2)]).astype(np.int16)
    crop = np.zeros((4, 20, 24), np.int16)
    return [
        (CachedVolume("body_001", "body_001", 5, 32, 32, 2.0, True), stack),
        (CachedVolume("crop_002", "crop_002", 4, 20, 24, 1.0, True), crop),
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Degradations:
    return write_degradations(volumes(), VIEWS, tmp_path_factory.mktemp("scans"), 32, report=lambda text: None)


def network() -> nn.Module:
    torch.manual_seed(0)
    made = build_network(NETWORK, "test")
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return made


def test_scans_are_those_of_their_beam_and_only_full_slices_enter(store: Degradations, tmp_path: Path) -> None:
    assert store.clean.shape == (5, 32, 32)
    assert store.spacing.tolist() == [2.0] * 5
    assert float(store.weight.sum()) == pytest.approx(1.0)
    grid = slice_grid(32, 2.0)
    for level, views in enumerate(VIEWS):
        for k in range(5):
            geometry = scan_of(BEAMS[store.beam[level, k]], views, grid)
            expected = degraded_hu(
                make_operator(geometry, grid), torch.from_numpy(store.clean[k : k + 1].astype(np.float32))
            )
            found = torch.from_numpy(store.degraded[level, k : k + 1].astype(np.float32) / 4.0)
            streaks = float((expected - torch.from_numpy(store.clean[k].astype(np.float32))).std())
            assert float((found - expected).std()) < 0.6 * streaks  # noise and the finer grid
    again = read_degradations(Path(str(store.clean.filename)).parent)
    assert again.views == VIEWS
    with pytest.raises(ValueError, match="no volume of 64 x 64"):
        write_degradations(volumes(), VIEWS, tmp_path, 64)


def test_crops_are_functions_of_their_index_and_belong_together(store: Degradations) -> None:
    crops = DegradedCrops(store, WINDOW, VIEWS, 16, seed=3)
    for index in range(12):
        a, b = crops[index], crops[index]
        assert all(torch.equal(a[name], b[name]) for name in a)
        assert a["clean"].shape == a["degraded"].shape == (1, 16, 16)
        flat = [a["clean"].flatten() - a["clean"].mean(), a["degraded"].flatten() - a["degraded"].mean()]
        if float(flat[0].norm()) > 1.0:
            assert float(flat[0] @ flat[1] / (flat[0].norm() * flat[1].norm())) > 0.5
    with pytest.raises(ValueError, match="no scans of 99 views"):
        DegradedCrops(store, WINDOW, (99, 18), 16, 0)


def composite(store: Degradations, crop: int = 0) -> CompositeStep:
    return CompositeStep.of(store, WINDOW, VIEWS, 2, crop)


def test_the_composite_input_is_the_cold_update_of_the_averaged_estimate(store: Degradations) -> None:
    step, made = composite(store), network()
    average = {name: 1.1 * value for name, value in made.state_dict().items()}
    averaged = network()
    averaged.load_state_dict(average)
    x = WINDOW.normalise(torch.from_numpy(store.degraded[2, :2].astype(np.float32) / 4.0))
    found, reached = step.composed(made, average, x, 2, 0, np.random.default_rng(0))
    assert reached < 2
    assert not found.requires_grad
    grid = slice_grid(32, 1.0)
    with torch.no_grad():
        x0e = averaged(x[:, None], torch.tensor([2, 2]))[:, 0]
    hu = WINDOW.denormalise(x0e)
    at = [degraded_hu(make_operator(scan_of("reference", VIEWS[k], grid), grid), hu) for k in (2, reached)]
    assert torch.allclose(found, x + (at[1] - at[0]) / 2600.0, atol=1e-4)
    lowest, reached = step.composed(made, average, x, 0, 0, np.random.default_rng(0))
    with torch.no_grad():
        assert reached == 0 and torch.allclose(lowest, averaged(x[:, None], torch.tensor([0, 0]))[:, 0], atol=1e-5)


def test_no_gradient_runs_through_the_averaged_estimate(store: Degradations) -> None:
    step, made = composite(store, 16), network()
    average = {
        name: value.detach().clone().requires_grad_(value.is_floating_point())
        for name, value in made.state_dict().items()
    }
    x = WINDOW.normalise(torch.from_numpy(store.degraded[0, :2].astype(np.float32) / 4.0))
    for level in (0, 2):
        assert not step.composed(made, average, x, level, 0, np.random.default_rng(0))[0].requires_grad
    step(made, made, average, torch.Generator().manual_seed(1)).backward()
    assert all(value.grad is None for value in average.values())
    assert any(float(value.grad.abs().max()) > 0 for value in made.parameters() if value.grad is not None)


def test_a_composite_loss_repeats_with_its_generator(store: Degradations) -> None:
    step, made = composite(store), network()
    average = made.state_dict()
    with torch.no_grad():
        first, second, other = (
            float(step(made, made, average, torch.Generator().manual_seed(seed))) for seed in (5, 5, 6)
        )
    assert first == second != other


class Wrapper(nn.Module):
    """Stands for DistributedDataParallel: the network behind the name `module`, and a count of its forwards."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.forwards = module, 0

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        self.forwards += 1
        return self.module(x, level)


def test_behind_a_wrapper_the_estimate_is_still_the_averaged_networks(store: Degradations) -> None:
    step, made = composite(store), network()
    average = {name: 1.3 * value for name, value in made.state_dict().items()}

    def loss(model: nn.Module, state: dict[str, Tensor]) -> float:
        with torch.no_grad():
            return float(step(model, made, state, torch.Generator().manual_seed(5)))

    wrapper = Wrapper(made)
    assert loss(wrapper, average) == loss(made, average) != loss(made, made.state_dict())
    assert wrapper.forwards == 1  # the trained forward, and that one alone
    x = WINDOW.normalise(torch.from_numpy(store.degraded[2, :2].astype(np.float32) / 4.0))
    with pytest.raises(RuntimeError, match="module"):
        step.composed(wrapper, average, x, 2, 0, np.random.default_rng(0))


def test_the_loop_hands_over_the_bare_network_with_the_average(
    store: Degradations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, made = lesson_of(store, monkeypatch), network()
    monkeypatch.setattr(loop, "join", lambda: 2)
    monkeypatch.setattr(loop, "DistributedDataParallel", Wrapper)
    seen = []

    def second(
        model: nn.Module, network: nn.Module, average: dict[str, Tensor], generator: torch.Generator
    ) -> Tensor:
        seen.append((type(model), network is made, average.keys() == network.state_dict().keys()))
        assert lesson.second is not None
        return lesson.second(model, network, average, generator)

    settings = LoopSettings(steps=2, batch=2, second_from=0.0)
    train(made, lesson.dataset, lesson.loss, settings, tmp_path, report=lambda text: None, second=second)
    assert seen == [(Wrapper, True, True)] * 2


def test_a_level_without_parallel_scans_is_trained_on_the_reference_ones(tmp_path: Path) -> None:
    # One volume of ten slices: the levels' rarer beam is drawn once each, and level 0 gets the diagnostic one.
    entry = replace(volumes()[0][0], slices=10)
    stack = np.concatenate([volumes()[0][1]] * 2)
    views = (60, 40, 30, 18)
    few = write_degradations([(entry, stack)], views, tmp_path, 32, seed=0, report=lambda text: None)
    assert not (few.beam[0] == 1).any()
    step = CompositeStep.of(few, WINDOW, views, 2, 0)
    beam, chosen = step._slices(np.random.default_rng(0), 0, 1)
    assert beam == 0 and (few.beam[0, chosen] == 0).all()
    level = next(k for k in range(4) if (few.beam[k] == 1).any())
    beam, chosen = step._slices(np.random.default_rng(0), level, 1)
    assert beam == 1 and (few.beam[level, chosen] == 1).all()
    made = network()
    with torch.no_grad():
        losses = [float(step(made, made, made.state_dict(), torch.Generator().manual_seed(k))) for k in range(12)]
    assert all(math.isfinite(value) for value in losses)
    other = replace(few, beam=np.where(np.arange(4)[:, None] == 1, 2, few.beam))
    with pytest.raises(ValueError, match="data: no scan of 40 views with the reference or the parallel beam"):
        CompositeStep.of(other, WINDOW, views, 2, 0)


def lesson_of(store: Degradations, monkeypatch: pytest.MonkeyPatch):
    task = RestorationTask(VIEWS, composite=True, images=1, composite_crop=16, size=32)
    monkeypatch.setattr(RestorationTask, "_store", lambda self, volumes, work: store)
    recipe = replace(recipe_named("cvg-256"), network=NETWORK, crop=16, task=task)
    return task.lesson(recipe, volumes(), Path(), 0, None)


def test_two_optimiser_steps_from_half_of_the_schedule_on(
    store: Degradations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = lesson_of(store, monkeypatch)
    events = []
    original = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self, *a, **k: (events.append("step"), original(self, *a, **k))[1]
    )

    def loss(network: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        events.append("restore")
        return lesson.loss(network, batch, generator)

    def second(
        model: nn.Module, network: nn.Module, average: dict[str, Tensor], generator: torch.Generator
    ) -> Tensor:
        events.append("composite")
        assert lesson.second is not None
        return lesson.second(model, network, average, generator)

    settings = LoopSettings(steps=4, batch=2, second_from=0.5)
    train(network(), lesson.dataset, loss, settings, tmp_path, second=second)
    once, twice = ["restore", "step"], ["restore", "step", "composite", "step"]
    assert events == 2 * once + 2 * twice


def test_an_interrupted_composite_training_equals_an_unbroken_one(
    store: Degradations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = lesson_of(store, monkeypatch)

    def run(folder: Path, steps: int, resume: bool) -> dict[str, Tensor]:
        # The schedule's length enters its rate, so the interruption is the loop's own: an error at step 3.
        count = iter(range(100))

        def loss(network: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
            if next(count) == steps:
                raise KeyboardInterrupt
            return lesson.loss(network, batch, generator)

        settings = LoopSettings(steps=6, batch=2, second_from=0.0, checkpoint_minutes=0.0, warmup=1)
        return train(network(), lesson.dataset, loss, settings, folder, resume, lambda text: None, lesson.second)

    whole = run(tmp_path / "whole", 99, False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", 3, False)
    resumed = run(tmp_path / "broken", 99, True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_triplet_denoiser_becomes_the_same_function_of_a_slice() -> None:
    torch.manual_seed(1)
    triplets = build_network({"class": "TripletUNet", "widths": [4, 8], "blocks": [1, 1]}, "test")
    state = {name: 0.2 * torch.randn_like(value) for name, value in triplets.state_dict().items()}
    triplets.load_state_dict(state)
    cold = ColdUNet((72, 18), (4, 8), (1, 1))
    cold.load_state_dict(from_triplets(state))
    x = torch.rand(1, 1, 16, 16)
    from ctdiffusion.priors.denoiser import EDMDenoiser

    denoiser = EDMDenoiser(triplets, 0.3, 0.25)
    sigma, spacing = torch.tensor([18**-0.5]), torch.tensor([math.log(1.5)])
    with torch.no_grad():
        expected = denoiser(x.expand(-1, 3, -1, -1), sigma, torch.tensor([0]), spacing).mean(1, keepdim=True)
        assert torch.allclose(cold(x, torch.tensor([1])), expected, atol=1e-5)
        between = cold(x, torch.tensor([0.5]))
        assert not torch.allclose(between, expected, atol=1e-4)
        assert torch.allclose(ColdUNet.forward(cold, x, torch.tensor([9.0])), expected, atol=1e-5)


def test_initial_weights_of_another_shape_are_refused() -> None:
    from priors.small_pack import INFO

    with pytest.raises(ValueError, match="init: the network of small is not that of recipe cvg-256"):
        recipe_named("cvg-256").task.initial(recipe_named("cvg-256"), INFO, {})


@pytest.mark.parametrize("name", ["cvg-256", "fbpconvnet-256"])
def test_a_pack_states_what_its_recipe_trained_on(name: str) -> None:
    recipe, shipped = recipe_named(name), read_info(locate_pack(name))
    assert shipped.scan == recipe.task.info(recipe, UNNAMED).scan
    assert shipped.scan["size"] == 256
    # One that is trained on under its own name says it too, whatever it said before.
    known = {key: value for key, value in shipped.scan.items() if key != "size"}
    again = replace(recipe.task.info(recipe, UNNAMED), name=name)
    following = inheriting(again, replace(shipped, scan=known))
    assert following.scan == shipped.scan and int(following.version) == int(shipped.version) + 1


def test_the_loss_is_the_mean_square() -> None:
    batch = {"degraded": torch.zeros(2, 1, 4, 4), "clean": torch.full((2, 1, 4, 4), 0.5), "level": torch.tensor([0, 1])}
    assert float(restoration_loss(lambda x, level: x, batch)) == pytest.approx(0.25)
    assert restoration.PARTS == 4.0
