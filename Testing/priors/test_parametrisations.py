"""Score, noise-predicting and restoring networks behind one denoiser: identities with a Gaussian toy prior."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ctdiffusion.priors.cold import ColdRestorer, load_restorer
from ctdiffusion.priors.denoiser import Denoiser
from ctdiffusion.priors.packs.pack import load_pack, write_pack
from ctdiffusion.priors.preconditioned import PreconditionedDenoiser
from ctdiffusion.priors.ve import VEDenoiser
from ctdiffusion.priors.vp import VPDenoiser, noise_levels
from priors.packs.importing.checkpoints import random_network
from priors.small_pack import INFO, small_pack
from torch import Tensor, nn

MEAN, VARIANCE = 0.4, 0.09


class GaussianScore(nn.Module):
    """The score of white Gaussian images: (mean - x) / (variance + sigma^2)."""

    channels = 2

    def forward(self, x: Tensor, level: Tensor, label: Tensor) -> Tensor:
        return (MEAN - x) / (VARIANCE + level.square()[:, None, None, None])


class GaussianNoise(nn.Module):
    """The expected noise in x_t = sqrt(a) (u + sigma z) of the same images scaled to [low, high], at a timestep."""

    channels = 2

    def __init__(self, low: float, high: float, kind: str = "epsilon") -> None:
        super().__init__()
        self.low, self.scale, self.kind = low, high - low, kind
        self.log_levels = noise_levels(1000, 1e-4, 0.02).log()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, level: Tensor, label: Tensor) -> Tensor:
        self.seen.append(label)
        whole = level.double().floor().long().clamp(0, 998)
        share = level.double() - whole
        logs = self.log_levels[whole] * (1.0 - share) + self.log_levels[whole + 1] * share
        sigma = logs.exp()[:, None, None, None]
        root = (1.0 + sigma.square()).rsqrt()
        mean, variance = self.low + self.scale * MEAN, self.scale**2 * VARIANCE
        noisy = x.double() / root
        clean = mean + variance / (variance + sigma.square()) * (noisy - mean)
        noise = (noisy - clean) / sigma
        out = {"epsilon": noise, "sample": clean, "v_prediction": root * noise - root * sigma * clean}[self.kind]
        # A learned variance, to be dropped.
        return torch.cat([out, torch.full_like(out, 1e6)], dim=1).float()


def closed_form(x: Tensor, sigma: Tensor) -> Tensor:
    share = VARIANCE / (VARIANCE + sigma.square()[:, None, None, None])
    return MEAN + share * (x - MEAN)


def call(denoiser: Denoiser, x: Tensor, sigma: Tensor, label: int = 0) -> Tensor:
    return denoiser(x, sigma, torch.full_like(sigma, label, dtype=torch.int64), torch.zeros_like(sigma))


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("low_high", [(-1.0, 1.0), (0.0, 1.0)])
def test_variance_preserving_and_exploding_agree(low_high: tuple[float, float], kind: str) -> None:
    sigma = torch.tensor([0.02, 0.1234, 1.0, 20.0])
    x = MEAN + torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0)) * (0.3 + sigma[:, None, None, None])
    exploding = call(VEDenoiser(GaussianScore()), x, sigma)
    preserving = call(VPDenoiser(GaussianNoise(*low_high, kind), data_range=low_high, prediction=kind), x, sigma)
    assert torch.allclose(exploding, closed_form(x, sigma), atol=3e-5)
    assert torch.allclose(preserving, closed_form(x, sigma), atol=3e-5)


def test_the_cosine_schedule_is_that_of_improved_ddpm() -> None:
    """Kept shares cos^2 of the paper's equation 17 at a few timesteps; the last betas are cut at 0.999."""
    levels = noise_levels(1000, 1e-4, 0.02, "cosine")
    for step in (0, 99, 499, 899):
        time = (step + 1) / 1000.0
        kept = (math.cos((time + 0.008) / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2
        assert float(levels[step]) == pytest.approx(math.sqrt((1.0 - kept) / kept), rel=1e-6)
    assert bool((levels.diff() > 0).all()) and math.isfinite(float(levels[-1]))


def test_a_score_of_centred_data_agrees() -> None:
    class Centred(GaussianScore):
        def forward(self, x: Tensor, level: Tensor, label: Tensor) -> Tensor:
            return (2.0 * MEAN - 1.0 - x) / (4.0 * VARIANCE + level.square()[:, None, None, None])

    sigma = torch.tensor([0.02, 0.1234, 1.0, 20.0])
    x = MEAN + torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0)) * (0.3 + sigma[:, None, None, None])
    assert torch.allclose(call(VEDenoiser(Centred(), (-1.0, 1.0)), x, sigma), closed_form(x, sigma), atol=3e-5)


class GaussianTarget(nn.Module):
    """What a preconditioned network has to answer so that D is the denoiser of the same images in [-1, 1]."""

    channels = 2

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, level: Tensor, label: Tensor) -> Tensor:
        mean, variance = 2.0 * MEAN - 1.0, 4.0 * VARIANCE
        if self.kind == "edm":
            s, root = (4.0 * level.double()).exp(), (0.25 + (8.0 * level.double()).exp()).sqrt()
        elif self.kind == "vp":
            t = level.double() / 999.0
            s = ((0.5 * 19.9 * t.square() + 0.1 * t).exp() - 1.0).sqrt()
            root = (1.0 + s.square()).sqrt()
        else:
            s, root = 2.0 * level.double().exp(), torch.ones_like(level.double())
        s, root = s[:, None, None, None], root[:, None, None, None]
        u = x.double() * root
        clean = mean + variance / (variance + s.square()) * (u - mean)
        if self.kind == "edm":
            return ((clean - 0.25 / root.square() * u) * root / (0.5 * s)).float()
        return ((u - clean) / s if self.kind == "vp" else (clean - u) / s).float()


@pytest.mark.parametrize("kind", ["edm", "vp", "ve"])
def test_edms_preconditionings_agree(kind: str) -> None:
    sigma = torch.tensor([0.02, 0.1234, 1.0, 20.0])
    x = MEAN + torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0)) * (0.3 + sigma[:, None, None, None])
    estimate = call(PreconditionedDenoiser(GaussianTarget(kind), kind), x, sigma)
    assert torch.allclose(estimate, closed_form(x, sigma), atol=2e-4)


@pytest.mark.parametrize("wrong", [{"preconditioning": "ddpm"}, {"data_range": (1.0, 0.0)}, {"data_deviation": 0.0}])
def test_preconditionings_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PreconditionedDenoiser(nn.Identity(), **wrong)


def test_a_posterior_is_the_same_with_either() -> None:
    """A sampler with data on half of the pixels draws from the Gaussian posterior in closed form."""
    shape, noise = (1, 2, 16, 16), 0.2
    measured = (torch.arange(16) % 2 == 0).float().expand(shape)
    y = MEAN + 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    start = MEAN + 5.0 * torch.randn(shape, generator=torch.Generator().manual_seed(2))
    sigmas = torch.logspace(0.7, -1.9, 60)
    results = []
    for denoiser in (VEDenoiser(GaussianScore()), VPDenoiser(GaussianNoise(-1.0, 1.0))):
        x = start.clone()
        for sigma, following in zip(sigmas, [*sigmas[1:], torch.tensor(0.0)], strict=True):
            x0 = call(denoiser, x, sigma[None])
            # Posterior variance of x0 given x; its product with the measurement's likelihood.
            width = VARIANCE * sigma**2 / (VARIANCE + sigma**2)
            x0 = (x0 / width + measured * y / noise**2) / (1.0 / width + measured / noise**2)
            x = x0 + following / sigma * (x - x0)
        results.append(x)
    assert torch.allclose(results[0], results[1], atol=1e-4)
    seen = measured.bool()
    posterior = (MEAN / VARIANCE + y / noise**2) / (1.0 / VARIANCE + 1.0 / noise**2)
    spread = (1.0 / VARIANCE + 1.0 / noise**2) ** -0.5
    for x in results:
        assert float((x - posterior)[seen].square().mean().sqrt()) == pytest.approx(spread, rel=0.15)
        assert float((x - MEAN)[~seen].square().mean().sqrt()) == pytest.approx(VARIANCE**0.5, rel=0.15)


def test_timesteps_and_levels_are_inverse() -> None:
    denoiser = VPDenoiser(GaussianNoise(-1.0, 1.0))
    levels = noise_levels(1000, 1e-4, 0.02)
    kept = torch.cumprod(1.0 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    assert torch.allclose(levels, ((1.0 - kept) / kept).sqrt())
    steps = torch.tensor([0, 1, 10, 500, 995, 999])
    assert torch.allclose(denoiser.timestep((levels[steps] / 2.0).float()), steps.float(), atol=2e-3)
    assert denoiser.timestep(torch.tensor([1e-9, 1e9])).tolist() == [0.0, 999.0]
    low, high = denoiser.sigma_range()
    assert (low, high) == pytest.approx((float(levels[0]) / 2.0, float(levels[-1]) / 2.0), rel=1e-5)


def test_noise_outside_of_the_training_is_clipped() -> None:
    denoiser = VPDenoiser(GaussianNoise(-1.0, 1.0))
    x = torch.rand(1, 2, 4, 4)
    most = torch.tensor([denoiser.sigma_range()[1]])
    assert torch.allclose(call(denoiser, x, 100.0 * most), call(denoiser, x, most), atol=1e-5)


def test_the_label_of_same_slices_is_one_that_was_trained() -> None:
    network = GaussianNoise(-1.0, 1.0)
    denoiser = VPDenoiser(network, same_slice_label=1)
    for label in (0, 1, 3):
        call(denoiser, torch.rand(1, 2, 4, 4), torch.tensor([0.1]), label)
    assert [int(label[0]) for label in network.seen] == [1, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"beta_end": 2.0}, "betas"),
        ({"steps": 1}, "betas"),
        ({"schedule": "sigmoid"}, "schedule"),
        ({"data_range": (1.0, 1.0)}, "data_range"),
        ({"prediction": "noise"}, "prediction"),
    ],
)
def test_bad_schedules_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        VPDenoiser(GaussianNoise(-1.0, 1.0), **arguments)  # type: ignore[arg-type]


def cold_pack(folder: Path) -> nn.Module:
    network = {"class": "DDPMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1}
    made = random_network(network)
    info = replace(INFO, network=network, channels=1, labels=(0,), parametrisation={"kind": "cold", "levels": [90, 30]})
    write_pack(folder, info, made.state_dict())
    return made


def test_a_restoring_pack_is_loaded_by_its_own_door(tmp_path: Path) -> None:
    network = cold_pack(tmp_path / "cold")
    _, restorer = load_restorer(tmp_path / "cold")
    assert (restorer.levels, restorer.channels, restorer.pad_multiple()) == ((90, 30), 1, 2)
    x, level = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    with torch.inference_mode():
        assert torch.allclose(restorer(x, level), network(x, level), atol=1e-5)
        assert not torch.allclose(restorer(x, level), restorer(x, 1 - level), atol=1e-3)
    with pytest.raises(ValueError, match="does not remove noise"):
        load_pack(tmp_path / "cold")
    with pytest.raises(ValueError, match="removes noise"):
        load_restorer(small_pack(tmp_path / "gaussian"))


@pytest.mark.parametrize("levels", [[], [0], ["90"], None])
def test_levels_of_a_restoring_pack_are_checked(tmp_path: Path, levels: object) -> None:
    cold_pack(tmp_path / "cold")
    path = tmp_path / "cold" / "prior.json"
    values = json.loads(path.read_text())
    values["parametrisation"] = {"kind": "cold", **({} if levels is None else {"levels": levels})}
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="levels"):
        load_restorer(tmp_path / "cold")


def test_levels_are_numbers_of_views() -> None:
    with pytest.raises(ValueError, match="levels"):
        ColdRestorer(nn.Identity(), [3.5])  # type: ignore[list-item]
