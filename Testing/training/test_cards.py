"""Report cards: by kind of slice, and the verdict in words; noise of slices, and what it is worth to the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ctdiffusion.training.anatomy import BONE, LUNG, SOFT, shown
from ctdiffusion.training.appearance import varied
from ctdiffusion.training.denoising import denoising_loss, trust
from ctdiffusion.training.grain import grain
from ctdiffusion.training.report_card import SliceErrors, by_kind, overall
from ctdiffusion.training.verdict import DO_NOT_USE, verdict


@pytest.mark.parametrize("noise", [5.0, 15.0, 40.0])
def test_the_noise_of_a_slice_is_found_beside_its_anatomy(noise: float) -> None:
    y, x = np.mgrid[:256, :256] - 127.5
    image = np.where(np.hypot(x, y) < 110, 40.0, -1000.0)
    image[np.hypot(x - 40, y) < 30] = -850.0
    image[(np.abs(y) < 4) & (x < 0) & (np.hypot(x, y) < 100)] = 700.0
    image += noise * np.random.default_rng(0).standard_normal(image.shape)
    assert grain(torch.from_numpy(image)) == pytest.approx(noise, rel=0.1)
    assert grain(torch.full((64, 64), -1000.0)) == 0.0


def test_what_a_slice_shows() -> None:
    y, x = np.mgrid[:128, :128] - 63.5
    body = np.where(np.hypot(x, y) < 50, 40.0, -1000.0)
    assert shown(body) == SOFT
    assert shown(np.full((16, 16), -1000.0)) == SOFT
    chest = np.where(np.hypot(x - 20, y) < 22, -850.0, body)
    assert shown(chest) == LUNG
    head = np.where(np.abs(np.hypot(x, y) - 45) < 5, 900.0, body)
    assert shown(head) == BONE
    couch = np.where((y > 58) & (np.abs(x) < 50), 100.0, body)
    assert shown(couch) == SOFT, "air between body and couch is no lung"


def test_slices_with_noise_of_their_own_count_for_less() -> None:
    sigma = torch.tensor([0.01, 0.05, 0.3])
    none, some = trust(sigma, torch.zeros(3)), trust(sigma, torch.full((3,), 20.0 / 2600.0))
    assert torch.allclose(none, torch.ones(3))
    assert 0.2 < float(some[0]) < float(some[1]) < float(some[2]) < 1.0
    assert float(some[2]) > 0.9, "at high levels the noise of the slice does not matter"


class Nothing(torch.nn.Module):
    def forward(self, x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def test_the_loss_counts_noisy_slices_for_less() -> None:
    batch = {"stack": torch.full((2, 3, 8, 8), 0.5), "label": torch.zeros(2, dtype=torch.int64)}
    batch["log_spacing"] = torch.zeros(2)

    def at(extra: dict[str, torch.Tensor]) -> float:
        draw = lambda count, generator, device: torch.full((count,), 0.01)  # noqa: E731
        function = denoising_loss(0.3, 0.25, draw)
        return float(function(Nothing(), {**batch, **extra}, torch.Generator().manual_seed(0)))

    plain = at({})
    grainy = at({"grain": torch.full((2,), 0.01)})
    assert grainy == pytest.approx(plain * float(trust(torch.tensor([0.01]), torch.tensor([0.01]))), rel=1e-4)


def test_other_scanners_change_what_they_should() -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    body = torch.from_numpy(np.where(np.hypot(x, y) < 25, 40.0, -1000.0).astype(np.float32)).expand(3, -1, -1).clone()
    stacks = [varied(body, np.random.default_rng(k)) for k in range(200)]
    assert all(torch.equal(stack[0], stack[2]) for stack in stacks)
    assert torch.equal(varied(body, np.random.default_rng(3)), stacks[3])
    middle = (slice(None), slice(22, 42), slice(22, 42))
    noises = [float(stack[middle].std(correction=0)) for stack in stacks]
    assert 15 <= sum(noise > 2.0 for noise in noises) <= 50 and 15.0 < max(noises) < 30.0
    levels = [float(stack[middle].mean()) for stack in stacks]
    assert 20 <= sum(abs(level - 40.0) > 4.0 for level in levels) <= 70 and max(levels) < 75.0
    # A kernel shows at the edge of the body, and there alone.
    edges = [
        float((stack - body)[:, 31].abs().max())
        for stack, noise, level in zip(stacks, noises, levels, strict=True)
        if noise < 0.1 and abs(level - 40.0) < 0.1
    ]
    assert 0.05 < sum(edge > 20.0 for edge in edges) / len(edges) < 0.3


def errors(volume: str, kind: str, noise: float, thickness: float, rmse: float) -> SliceErrors:
    return SliceErrors(volume, kind, noise, thickness, {0.01: rmse**2, 0.1: (2 * rmse) ** 2})


def test_cards_apart_by_anatomy_noise_and_thickness() -> None:
    card = [errors("a", LUNG, 30.0, 1.0, 0.02), errors("a", SOFT, 5.0, 1.0, 0.01), errors("b", SOFT, 15.0, 0.0, 0.01)]
    kinds = by_kind(card, 2600.0)
    assert kinds["anatomy"][LUNG] == {"slices": 1, "rmse_hu": {"0.01": 52.0, "0.1": 104.0}}
    assert kinds["anatomy"][SOFT] == {"slices": 2, "rmse_hu": {"0.01": 26.0, "0.1": 52.0}}
    assert set(kinds["noise"]) == {"below 12 HU", "12 to 24 HU", "over 24 HU"}
    assert {name: group["slices"] for name, group in kinds["thickness"].items()} == {"below 1.5 mm": 2, "not known": 1}
    # Every volume counts alike, whatever its number of slices.
    expected = math.sqrt(((0.02**2 + 0.01**2) / 2 + 0.01**2) / 2)
    assert overall(card)["0.01"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("quality", "begins", "usable"),
    [
        ({"dds_psnr_db": {"a": {"fbp": 20.0, "tv": 25.0, "dds": 19.0}}}, "below FBP on 1 of 1", False),
        ({"dds_psnr_db": {"a": {"fbp": 20.0, "tv": 25.0, "dds": float("nan")}}}, "no finite", False),
        ({"dds_psnr_db": {"a": {"fbp": 20.0, "tv": 25.0, "dds": 24.0}}}, "above FBP, but below TV on 1 of 1", True),
        ({"dds_psnr_db": {"a": {"fbp": 20.0, "tv": 25.0, "dds": 28.0}}}, "above TV by +3.0 dB", True),
        ({"dds_psnr_db": {"a": {"fbp": 20.0, "dds": 28.0}}}, "above FBP by +8.0 dB", True),
        ({"rmse_hu_fbp_and_restored_by_views": {"18": [90.0, 99.0], "72": [40.0, 20.0]}}, "not better than FBP", False),
        ({"rmse_hu_fbp_and_restored_by_views": {"18": [90.0, 45.0]}}, "leaves 50% to 50% of the error", True),
        ({"sinogram_rmse_over_sigma": {"full 0.1": 1.2}}, "removes no noise at full 0.1", False),
        ({"denoising_rmse": {"0.003": 0.01, "0.1": 0.05}}, "leaves 50% to 50% of white noise", True),
        ({"denoising_rmse": {"0.1": 0.2}}, "removes no noise at 0.1", False),
        ({}, "not judged", True),
    ],
)
def test_verdicts(quality: dict, begins: str, usable: bool) -> None:
    text = verdict(quality)
    assert text.startswith(begins)
    assert (DO_NOT_USE in text) != usable
