"""Triplets over any number of slices: everything covered, nothing shifted."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.samplers.slice_policy import blended_triplets, neighbourhood, partition
from samplers.gaussian_prior import GaussianPrior


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 17, 18, 29, 64])
def test_a_partition_covers_every_slice(count: int, stride: int) -> None:
    for shift in range(3 * stride):
        triplets, single = partition(count, stride, shift)
        covered = {k for triplet in triplets for k in triplet}
        assert covered | set(single) == set(range(count)) and not covered & set(single)
        assert bool(single) == (count < 3)
        expected = stride if count >= 3 * stride else 1
        assert all(b - a == expected and c - b == expected for a, b, c in triplets)
        assert len(triplets) <= count // 3 + 2 * stride


def test_a_partition_is_disjoint_where_it_fits_and_follows_its_shift() -> None:
    triplets, _ = partition(9, 3, 0)
    assert sorted(triplets) == [(0, 3, 6), (1, 4, 7), (2, 5, 8)]
    triplets, _ = partition(12, 1, 0)
    assert triplets == [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)]
    triplets, _ = partition(8, 1, 2)
    assert triplets == [(2, 3, 4), (5, 6, 7), (0, 1, 2)]


class Marking(GaussianPrior):
    """Returns its input plus 1 for the first slice of a stack, 2 for the second, 3 for the third, 9 alone."""

    def __init__(self) -> None:
        super().__init__(torch.tensor(0.0), 1.0)
        self.labels: list[int] = []

    def predict_x0(self, x: torch.Tensor, sigma: float, spacing: float) -> torch.Tensor:
        return x + 9.0

    def predict_stacks(self, x: torch.Tensor, label: int, sigma: float, spacing: float) -> torch.Tensor:
        self.labels.append(label)
        assert torch.equal(x[:, 1] - x[:, 0], torch.full_like(x[:, 0], 100.0 * label)), "slices of a stack in order"
        return x + torch.tensor([1.0, 2.0, 3.0])[:, None, None]


def ramp(count: int) -> torch.Tensor:
    return (100.0 * torch.arange(count))[:, None, None].expand(-1, 4, 4).clone()


def test_a_neighbourhood_gives_the_middle_slice() -> None:
    marks = (neighbourhood(Marking(), 1.0)(ramp(6), 0.1, 0) - ramp(6))[:, 0, 0]  # type: ignore[arg-type]
    assert marks.tolist() == [1, 2, 2, 2, 2, 3]
    assert (neighbourhood(Marking(), 1.0)(ramp(2), 0.1, 0) - ramp(2))[:, 0, 0].tolist() == [9, 9]  # type: ignore[arg-type]


def test_triplets_alternate_and_write_back_where_they_came_from() -> None:
    prior = Marking()
    denoise = blended_triplets(prior, 1.0, seed=0, first_slice=0)  # type: ignore[arg-type]
    for step in range(6):
        marks = (denoise(ramp(20), 0.1, step) - ramp(20))[:, 0, 0]
        assert float(marks.min()) >= 1.0 and float(marks.max()) <= 3.0
    assert prior.labels == [3, 1, 3, 1, 3, 1]


def test_slabs_are_divided_like_the_volume() -> None:
    def marks(first: int, count: int, step: int) -> list[float]:
        denoise = blended_triplets(Marking(), 1.0, seed=5, first_slice=first)  # type: ignore[arg-type]
        return (denoise(ramp(count), 0.1, step) - ramp(count))[:, 0, 0].tolist()

    for step in range(4):
        whole, slab = marks(0, 60, step), marks(13, 40, step)
        assert slab[9:31] == whole[22:44]
