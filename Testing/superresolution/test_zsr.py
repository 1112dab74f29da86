"""ZSR against a closed-form posterior, its exactness, its planes and noise, and resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.operators.slice_average import Profile
from ctdiffusion.priors.packs.pack import load_pack
from ctdiffusion.superresolution.methods.zsr import ZSRParameters, run
from ctdiffusion.superresolution.planes import (
    PLANES,
    PlaneNoise,
    across_slices,
    direction_named,
    from_planes,
    to_planes,
)
from methods.test_dds import Interrupted
from priors.small_pack import small_pack
from samplers.gaussian_prior import GaussianPrior
from superresolution.stacks import stack

MEAN, DEVIATION = 0.3, 0.1


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return small_pack(tmp_path / "small")


@pytest.mark.parametrize("direction", list(PLANES))
def test_planes_and_back(direction: str) -> None:
    x = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    planes = to_planes(x, direction)
    assert planes.shape == {"coronal": (3, 2, 4), "sagittal": (4, 2, 3)}[direction]
    assert torch.equal(from_planes(planes, direction), x)
    expected = x[:, 1] if direction == "coronal" else x[:, :, 1]
    assert torch.equal(planes[1], expected)


@pytest.mark.parametrize("thick", [2, 3, 7])
@pytest.mark.parametrize("profile", [None, Profile("gaussian", 4.7)])
def test_the_thick_slices_are_reproduced(pack: Path, thick: int, profile: Profile | None) -> None:
    problem = stack(load_pack(pack), thick, 4, profile)
    x = run(problem, ZSRParameters(steps=2))
    assert x.shape == (4 * thick, 10, 12)
    assert float((problem.operator.forward(x) - problem.thick).abs().max()) < 2e-5
    assert float((x - problem.operator.pseudo_inverse(problem.thick)).abs().max()) > 1e-2, "the prior must have its say"


def test_samples_have_the_posterior_mean_and_spread() -> None:
    """x0 ~ N(mean, d^2) white: given A x0 = y the posterior is N(mean + A+ (y - A mean), d^2 (I - A+ A))."""
    problem = stack(GaussianPrior(torch.tensor(MEAN), DEVIATION), 2, 4, size=(60, 60))
    problem = replace(problem, thick=problem.thick[:, :1, :1].expand(-1, 60, 60))
    parameters = ZSRParameters(
        steps=60, sigma_start=1.0, sigma_end=0.002, transition="ancestral", eta=1.0, noise_policy="independent",
    )  # fmt: skip
    x = run(problem, parameters)
    y = problem.thick[:, 0, 0]
    mean = MEAN + (y - MEAN).repeat_interleave(4)
    assert float((x.mean((1, 2)) - mean).abs().max()) < 0.06 * DEVIATION
    spread = float(x.std((1, 2)).mean())
    assert spread == pytest.approx(DEVIATION * (3 / 4) ** 0.5, rel=0.1)


def test_noise_in_the_data_is_allowed_for() -> None:
    problem = stack(GaussianPrior(torch.tensor(MEAN), DEVIATION), 3, 4)
    misfit = []
    for noise in (0.0, 20.0, 1000.0):
        x = run(problem, ZSRParameters(steps=4, noise=noise, noise_policy="independent"))
        misfit.append(float((problem.operator.forward(x) - problem.thick).square().mean().sqrt()))
    assert misfit[0] < 1e-5 < misfit[1] < misfit[2]


def test_alternating_planes_use_both_directions_with_their_pixels() -> None:
    seen = []

    class Watched(GaussianPrior):
        def predict_x0(self, x: torch.Tensor, sigma: float, spacing: float) -> torch.Tensor:
            seen.append((tuple(x.shape), round(spacing, 3)))
            return super().predict_x0(x, sigma, spacing)

    problem = replace(stack(Watched(torch.tensor(MEAN), DEVIATION), 3, 4), spacing=(1.0, 1.21, 0.81))
    run(problem, ZSRParameters(steps=3, planes="alternating", stacks="single"))
    coronal, sagittal = ((10, 12, 12), 0.9), ((12, 12, 10), 1.1)
    assert seen == [coronal, sagittal, coronal]


@pytest.mark.parametrize("direction", list(PLANES))
def test_inter_slice_noise_turns_along_the_planes(direction: str) -> None:
    noise = PlaneNoise(NoiseSource(3), "inter-slice", 0, direction_named(direction))
    z = noise.normal(2, (30, 40, 50))
    axis = PLANES[direction][0]
    planes = z.movedim(axis, 0).flatten(1)
    assert torch.allclose(planes.std(1), torch.ones(len(planes)), atol=0.08)
    neighbours = float((planes[0] * planes[1]).mean())
    ends = float((planes[0] * planes[-1]).mean())
    assert neighbours > 0.85
    assert abs(ends) < 0.1
    within = z.movedim(axis, 0)
    assert abs(float((within[:, 1:] * within[:, :-1]).mean())) < 0.06, "white within the planes"
    assert abs(float((within[:, :, 1:] * within[:, :, :-1]).mean())) < 0.06, "white within the planes"


def test_triplets_cost_about_a_third_and_need_a_prior_of_stacks(pack: Path) -> None:
    prior = load_pack(pack)
    stacks = []
    inner = prior._evaluate

    def counted(x: torch.Tensor, *rest: object) -> torch.Tensor:
        stacks.append(len(x))
        return inner(x, *rest)  # type: ignore[arg-type]

    prior._evaluate = counted  # type: ignore[method-assign]
    x = torch.rand((8, 9, 12))
    for kind, evaluations in (("single", 9), ("triplets", 3)):
        stacks.clear()
        out = across_slices(prior, (1.0, 1.0, 1.0), direction_named("coronal"), kind, 0)(x, 0.1, 0)
        assert out.shape == x.shape
        assert sum(stacks) == evaluations
    stacks.clear()
    across_slices(prior, (1.0, 1.0, 1.0), direction_named("coronal"), "triplets", 0)(torch.rand((8, 20, 12)), 0.1, 0)
    assert 20 / 3 < sum(stacks) <= 9, "the ends are covered by blocks that overlap"
    prior.info = replace(prior.info, labels=(0,))
    with pytest.raises(ValueError, match=r"^prior: .* labels 0, not 3"):
        across_slices(prior, (1.0, 1.0, 1.0), direction_named("coronal"), "triplets", 0)(x, 0.1, 0)


def test_the_seed_decides(pack: Path) -> None:
    prior = load_pack(pack)
    parameters = ZSRParameters(steps=2)
    first = run(stack(prior), parameters)
    assert torch.equal(first, run(stack(prior), parameters))
    assert not torch.allclose(first, run(stack(prior, seed=6), parameters), atol=1e-4)


@pytest.mark.parametrize("stop", [1, 3])
def test_resuming_gives_the_same_bits(pack: Path, stop: int) -> None:
    prior = load_pack(pack)
    parameters = ZSRParameters(steps=4)
    unbroken = run(stack(prior), parameters)
    monitor = Interrupted(stop)
    with pytest.raises(KeyboardInterrupt):
        run(stack(prior, monitor=monitor), parameters)
    monitor.stop = -1
    assert torch.equal(run(stack(prior, monitor=monitor), parameters), unbroken)


def test_without_a_prior_it_is_refused() -> None:
    with pytest.raises(ValueError, match="prior"):
        run(stack(None), ZSRParameters())
