"""The sinogram sampler's parts against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.samplers.schedule import geometric
from ctdiffusion.samplers.sinogram import (
    Levels,
    Stage,
    denoise_wrapped,
    high_bands,
    interpolate_linear,
    interpolate_turn,
    sample_sinogram,
)
from samplers.gaussian_prior import GaussianPrior
from torch import Tensor


class SinogramPrior(GaussianPrior):
    """The exact prior of white Gaussian sinograms."""

    def predict_stacks(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
        return self.predict_x0(x, sigma, spacing)


def band_limited(views: int, highest: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.arange(views, dtype=torch.float64) / views
    out = torch.zeros((2, views, 5), dtype=torch.float64)
    for k in range(highest + 1):
        a, b = torch.randn((2, 2, 1, 5), generator=generator, dtype=torch.float64)
        out += a * torch.cos(k * angle)[None, :, None] + b * torch.sin(k * angle)[None, :, None]
    return out.float()


@pytest.mark.parametrize(("count", "stride"), [(30, 12), (10, 36), (15, 24), (7, 51), (60, 6)])
def test_fourier_interpolation_is_exact_for_band_limited_sinograms(count: int, stride: int) -> None:
    full = band_limited(count * stride, (count - 1) // 2)
    rows = full[:, ::stride]
    found = interpolate_turn(rows, stride)
    assert torch.allclose(found, full, atol=1e-4)
    assert torch.equal(found[:, ::stride], rows)


def test_linear_interpolation_closes_the_turn_and_shifts_nothing() -> None:
    rows = torch.tensor([0.0, 4.0, 8.0])[None, :, None]
    found = interpolate_linear(rows, 4)[0, :, 0]
    assert found.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 4, 2]


def test_the_network_sees_the_turn_without_a_seam() -> None:
    seen = []

    class Spy(SinogramPrior):
        def predict_stacks(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
            seen.append(x)
            return x

    x = torch.arange(60.0)[None, :, None].expand(1, 60, 4)
    assert torch.equal(denoise_wrapped(Spy(torch.zeros(1), 1.0), x, 0.1, 0), x)
    rows = seen[0][0, 0, :, 0]
    assert len(rows) % 16 == 0 and len(rows) >= 76
    assert torch.equal(torch.diff(rows).remainder(60.0), torch.ones(len(rows) - 1))


def test_high_bands_have_no_block_means_and_leave_the_rest() -> None:
    x = torch.randn(2, 7, 9, generator=torch.Generator().manual_seed(0))
    high = high_bands(x)
    low = (x - high)[:, :6, :8]
    assert torch.allclose(low[:, ::2, ::2], low[:, 1::2, 1::2], atol=1e-6)
    blocks = torch.nn.functional.avg_pool2d(high[:, :6, :8], 2)
    assert float(blocks.abs().max()) < 1e-6
    assert torch.allclose(high_bands(high)[:, :6, :8], high[:, :6, :8], atol=1e-6)


@pytest.mark.parametrize("rule", ["renew", "predictor"])
@pytest.mark.parametrize(
    "stages", [[Stage(0, (slice(None),))], [Stage(1, (slice(0, None, 6),)), Stage(0, (slice(None),))]]
)
def test_measured_rows_stay_and_the_others_come_to_the_priors_mean(rule: str, stages: list[Stage]) -> None:
    # White prior: given the measured rows, the others are distributed about the mean, whatever was started from.
    mean = torch.full((1, 1, 1), 0.4)
    prior = SinogramPrior(mean, 0.05)
    start = torch.full((2, 36, 8), 0.9)
    values = torch.rand((2, 6, 8), generator=torch.Generator().manual_seed(2))

    def measured(x: Tensor) -> Tensor:
        out = x.clone()
        out[:, ::6] = values
        return out

    levels = Levels(geometric(1.0, 1e-3, 60), rule)
    found = sample_sinogram(measured(start), measured, prior, stages, levels, NoiseSource(0), Monitor(), lambda x: x)
    assert torch.equal(found[:, ::6], values)
    rest = torch.ones(36, dtype=torch.bool)
    rest[::6] = False
    assert float((found[:, rest] - 0.4).mean().abs()) < 0.02
    assert float(found[:, rest].std()) < 0.08


def test_one_predictor_step_against_its_formula() -> None:
    prior = SinogramPrior(torch.zeros(1, 1, 1), 0.5)
    x = torch.randn(1, 8, 4, generator=torch.Generator().manual_seed(0))
    levels = Levels([0.4, 0.1], "predictor")
    seen = []

    class Watch(Monitor):
        def save_state(self, step, tensors):
            seen.append(tensors["x"])

    whole = [Stage(0, (slice(None),))]
    sample_sinogram(x, lambda v: v, prior, whole, levels, NoiseSource(0), Watch(), lambda v: v)
    ratio = (0.1 / 0.4) ** 2
    estimate = x * 0.25 / (0.25 + 0.16)
    assert torch.allclose(seen[0], ratio * x + (1 - ratio) * estimate, atol=1e-6)
    seen.clear()
    noisy = replace(levels, noisy=True)
    sample_sinogram(x, lambda v: v, prior, whole, noisy, NoiseSource(0), Watch(), lambda v: v)
    z = NoiseSource(0).normal(0, (1, 8, 4))
    expected = ratio * x + (1 - ratio) * estimate + math.sqrt(0.16 - 0.01) * z
    assert torch.allclose(seen[0], expected, atol=1e-6)


def test_the_second_look_at_the_high_bands_has_the_noise_of_its_level() -> None:
    inputs: list[float] = []

    class Spy(SinogramPrior):
        def predict_stacks(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
            inputs.append(float(x.std()))
            return super().predict_stacks(x, label, sigma, spacing)

    prior = Spy(torch.full((1, 1, 1), 0.4), 0.01)
    start = torch.full((1, 64, 32), 0.4)
    stages = [Stage(0, (slice(None),)), Stage(0, (slice(None),), high=True)]
    sample_sinogram(
        start, lambda v: v, prior, stages, Levels([0.1, 0.05], "renew"), NoiseSource(0), Monitor(), lambda v: v
    )
    assert inputs == pytest.approx([0.1, 0.1, 0.05, 0.05], rel=0.1)


def test_subsets_that_are_alike_are_denoised_at_once() -> None:
    sizes: list[int] = []

    class Spy(SinogramPrior):
        def predict_stacks(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
            sizes.append(x.shape[0])
            return super().predict_stacks(x, label, sigma, spacing)

    prior = Spy(torch.full((1, 1, 1), 0.4), 0.3)
    x = torch.randn(2, 24, 8, generator=torch.Generator().manual_seed(0))
    levels = Levels([0.2], "predictor")
    together, apart = (
        sample_sinogram(x, lambda v: v, prior, stages, levels, NoiseSource(0), Monitor(), lambda v: v)
        for stages in (
            [Stage(1, tuple(slice(k, None, 6) for k in range(6)))],
            [Stage(1, (slice(k, None, 6),)) for k in range(6)],
        )
    )
    assert sizes == [12, *[2] * 6]
    assert torch.equal(together, apart)
