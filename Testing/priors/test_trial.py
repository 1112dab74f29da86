"""A prior is tried in its own domain: images, sinograms and sparse scans; the worst label counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ctdiffusion.priors import trialimages
from ctdiffusion.priors.cold import ColdRestorer
from ctdiffusion.priors.denoiser import Denoiser
from ctdiffusion.priors.packs import trial
from ctdiffusion.priors.packs.pack import locate_pack, read_info, write_pack
from ctdiffusion.priors.packs.trial import Trial, try_out
from ctdiffusion.priors.prior import Prior, PriorInfo
from priors.packs.importing.checkpoints import random_network
from torch import Tensor, nn

SINOGRAM = {"class": "NCSNpp", "width": 8, "multipliers": [1, 2], "blocks": 1}
RESTORER = {"class": "DDPMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1}


@pytest.mark.parametrize(
    ("pack", "what", "levels"),
    [
        ("ct-triplet-256", "noise", {0.05, 0.2, 0.8}),
        ("sinogram-360", "noise", {0.05, 0.2, 0.8}),
        ("cvg-256", "streaks", {18.0}),
        ("fbpconvnet-256", "streaks", {10.0}),
    ],
)
def test_trained_priors_of_every_kind_pass(pack: str, what: str, levels: set[float]) -> None:
    found = try_out(locate_pack(pack))
    assert (found.what, set(found.remaining)) == (what, levels)
    assert found.improves and found.denoises, found.remaining


def untrained(folder: Path, description: dict[str, object], kind: dict[str, object], like: str) -> Trial:
    network = random_network(description)
    info = replace(read_info(locate_pack(like)), network=description, parametrisation=kind, labels=(0,))
    write_pack(folder, info, network.state_dict())
    return try_out(folder)


def test_an_untrained_sinogram_network_fails(tmp_path: Path) -> None:
    found = untrained(tmp_path, SINOGRAM, {"kind": "ve"}, "sinogram-360")
    assert not found.improves and "test sinogram no better than it was" in found.verdict


def test_an_untrained_restorer_fails(tmp_path: Path) -> None:
    found = untrained(tmp_path, RESTORER, {"kind": "cold", "levels": [72, 18]}, "cvg-256")
    assert not found.improves and set(found.remaining) == {18.0}


class Told(Denoiser):
    """Leaves a share of the noise that depends on the label."""

    def __init__(self, clean: Tensor, shares: dict[int, float]) -> None:
        super().__init__()
        self.channels, self.clean, self.shares = 1, clean, shares

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor, log_spacing: Tensor) -> Tensor:
        return self.clean + self.shares[int(label[0])] * (x - self.clean)

    def pad_multiple(self) -> int:
        return 1


@pytest.mark.parametrize("domain", ["image", "sinogram"])
def test_the_worst_label_counts(domain: str) -> None:
    info = replace(read_info(locate_pack("sinogram-360")), domain=domain, labels=(0, 1))
    clean = (trialimages.sinogram if domain == "sinogram" else trialimages.image)(info, 64)
    prior = Prior(info, Told(clean, {0: 0.2, 1: 0.95}))
    share = trial._share(prior, 0.2)
    assert share == pytest.approx(0.95, rel=0.03)
    verdicts = [Trial(info, {0.2: value}) for value in (0.2, 0.8, 0.95, 1.2)]
    assert [(one.denoises, one.improves) for one in verdicts] == [
        (True, True), (False, True), (False, False), (False, False),
    ]  # fmt: skip
    assert "hardly better" in verdicts[2].verdict and "no better" in verdicts[3].verdict


def test_the_test_sinogram_is_that_of_the_body() -> None:
    """The analytic sinogram's first view is the sum of the body's rows, but for the body's soft edges."""
    info: PriorInfo = replace(read_info(locate_pack("sinogram-360")), scan={"columns": 64, "full_views": 360})
    view = trialimages.sinogram(info, 64)[0]
    summed = trialimages._water(64).sum(0)
    summed = summed * (0.5 / summed.max())
    assert float((view / view.max() * 0.5 - summed).norm() / summed.norm()) < 0.06


def test_the_sparse_scan_shows_the_body_with_streaks() -> None:
    info = read_info(locate_pack("cvg-256"))
    errors = []
    for views in (18, 72, 288):
        clean, seen = trialimages.sparse_scan(info, 64, views)
        errors.append(float((seen - clean).square().mean().sqrt()))
    assert errors[0] > 5.0 * errors[2] and errors[2] < 0.01


def test_values_that_are_not_finite_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(nn.Module):
        channels = 1

        def forward(self, x: Tensor, level: Tensor) -> Tensor:
            return x * torch.nan

    info = read_info(locate_pack("cvg-256"))
    monkeypatch.setattr(trial, "load_restorer", lambda _: (info, ColdRestorer(Broken(), [72, 18])))
    with pytest.raises(ValueError, match="not finite"):
        trial._restore(tmp_path)
