"""Noise policies: white in every slice, correlated between slices as stated, a function of the absolute slice."""

from __future__ import annotations

import math

import pytest
import torch
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.samplers.noise_policy import POLICIES, InterSliceNoise, SharedNoise, noise_policy

SHAPE = (13, 120, 130)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("length", [0, 5])
def test_every_slice_is_standard_normal(name: str, length: int) -> None:
    noise = noise_policy(name, NoiseSource(3, 7), length, SHAPE[0]).normal(2, SHAPE)
    count = SHAPE[1] * SHAPE[2]
    assert float(noise.mean((1, 2)).abs().max()) < 5 / math.sqrt(count)
    assert float((noise.var((1, 2)) - 1).abs().max()) < 5 * math.sqrt(2 / count)
    fourth = noise.pow(4).mean((1, 2))
    assert float((fourth - 3).abs().max()) < 5 * math.sqrt(96 / count)


def test_neighbours_are_correlated_as_the_arc_says() -> None:
    length = 6
    noise = InterSliceNoise(NoiseSource(0), length).normal(1, SHAPE).flatten(1)
    correlation = noise @ noise.T / noise.shape[1]
    for i in range(length + 1):
        for j in range(length + 1):
            assert float(correlation[i, j]) == pytest.approx(math.cos((i - j) * math.pi / 2 / length), abs=0.04)
    assert float(correlation[0, 2 * length].abs()) < 0.04


def test_slabs_agree_with_the_whole_volume() -> None:
    whole = InterSliceNoise(NoiseSource(4), 5).normal(3, SHAPE)
    for first, count in ((0, 3), (4, 1), (5, 5), (7, 6)):
        slab = InterSliceNoise(NoiseSource(4, first), 5).normal(3, (count, *SHAPE[1:]))
        assert torch.equal(slab, whole[first : first + count])


@pytest.mark.parametrize("first", [0, 20, 24])
def test_length_zero_is_one_arc_over_what_is_computed_wherever_it_lies(first: int) -> None:
    noise = noise_policy("inter-slice", NoiseSource(3, first), 0, SHAPE[0]).normal(1, SHAPE).flatten(1)
    correlation = noise @ noise.T / noise.shape[1]
    assert abs(float(correlation[0, -1])) < 0.05
    assert float(correlation[0, 6]) == pytest.approx(math.cos(0.25 * math.pi), abs=0.05)


def test_an_arc_of_one_slice_is_independent_noise() -> None:
    source = NoiseSource(4, 2)
    assert torch.equal(InterSliceNoise(source, 1).normal(3, SHAPE), source.normal(3, SHAPE))


def test_steps_and_seeds_differ_and_shared_noise_is_one() -> None:
    policy = noise_policy("inter-slice", NoiseSource(1), 0, SHAPE[0])
    assert not torch.equal(policy.normal(1, SHAPE), policy.normal(2, SHAPE))
    assert not torch.equal(policy.normal(1, SHAPE), noise_policy("inter-slice", NoiseSource(2), 0, 13).normal(1, SHAPE))
    shared = SharedNoise(NoiseSource(1, 5)).normal(1, SHAPE)
    assert torch.equal(shared[0], shared[12]) and torch.equal(shared[0], NoiseSource(1).normal(1, SHAPE)[0])
    with pytest.raises(ValueError, match="noise_policy"):
        noise_policy("loud", NoiseSource(1), 0, 2)
