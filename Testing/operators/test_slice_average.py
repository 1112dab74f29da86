"""Thick slices as means of thin ones: transpose, pseudo-inverse, profiles."""

from __future__ import annotations

import pytest
import torch
from ctdiffusion.operators.slice_average import Profile, SliceAverage

PROFILES = [None, Profile("gaussian", 4.7), Profile("trapezoid", 4.0)]
CASES = [(thick, factor, profile) for thick in (1, 2, 7) for factor in (2, 3, 8) for profile in PROFILES]


def random(slices: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((slices, 3, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("thick", "factor", "profile"), CASES)
def test_the_adjoint_is_the_transpose(thick: int, factor: int, profile: Profile | None) -> None:
    A = SliceAverage(thick * factor, factor, profile)
    x, y = random(thick * factor), random(thick, 1)
    left, right = float((A.forward(x) * y).sum()), float((x * A.adjoint(y)).sum())
    assert left == pytest.approx(right, rel=1e-12, abs=1e-12)
    assert abs(left) > 1e-3


@pytest.mark.parametrize(("thick", "factor", "profile"), CASES)
def test_the_pseudo_inverse_is_one(thick: int, factor: int, profile: Profile | None) -> None:
    A = SliceAverage(thick * factor, factor, profile)
    y = random(thick)
    assert torch.allclose(A.forward(A.pseudo_inverse(y)), y, rtol=0, atol=1e-10)
    matrix = A.pseudo_inverse(torch.eye(thick, dtype=torch.float64)[:, None])[:, 0]
    assert torch.allclose(matrix, torch.linalg.pinv(A.matrix()), atol=1e-10)


@pytest.mark.parametrize("profile", PROFILES)
def test_matrix_and_operator_agree(profile: Profile | None) -> None:
    A = SliceAverage(12, 4, profile)
    x = random(12)
    assert torch.allclose(A.forward(x), torch.einsum("kt,trc->krc", A.matrix(), x), atol=1e-12)
    assert torch.allclose(A.matrix().sum(1), torch.ones(3, dtype=torch.float64))


def test_a_rectangle_is_the_plain_mean_and_its_inverse_repeats() -> None:
    A = SliceAverage(6, 3)
    x = torch.arange(6.0)[:, None, None].expand(6, 2, 2)
    assert torch.equal(A.forward(x)[:, 0, 0], torch.tensor([1.0, 4.0]))
    assert torch.equal(A.pseudo_inverse(A.forward(x))[:, 0, 0], torch.tensor([1.0, 1, 1, 4, 4, 4]))


@pytest.mark.parametrize("profile", PROFILES)
def test_noise_in_the_data_pulls_the_correction_back(profile: Profile | None) -> None:
    A = SliceAverage(15, 5, profile)
    y = random(3)
    residual = [float((A.forward(A.pseudo_inverse(y, rho)) - y).norm()) for rho in (0.0, 0.1, 1.0, 1e9)]
    assert residual[0] < 1e-10
    assert residual == sorted(residual)
    assert residual[-1] == pytest.approx(float(y.norm()), rel=1e-3)


def test_a_profile_has_its_width_at_half_maximum() -> None:
    for shape in ("gaussian", "trapezoid"):
        edges = torch.tensor([0.0, 1.9, 2.0, 2.1], dtype=torch.float64)[:, None] + torch.tensor([-1e-4, 1e-4])
        top, inside, half, outside = Profile(shape, 4.0).below(edges).diff(dim=1)[:, 0]
        assert half / top == pytest.approx(0.5, rel=1e-3)
        assert inside > half > outside
        assert Profile(shape, 4.0).below(torch.tensor([-1e3, 0.0, 1e3])).tolist() == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize("shape", ["gaussian", "trapezoid"])
@pytest.mark.parametrize(("factor", "expected"), [(2, [0.5, 0.5]), (3, [0.0, 1.0, 0.0]), (4, [0.0, 0.5, 0.5, 0.0])])
def test_a_narrow_profile_lies_in_the_middle(shape: str, factor: int, expected: list[float]) -> None:
    matrix = SliceAverage(3 * factor, factor, Profile(shape, 0.3)).matrix()
    assert matrix[1, factor : 2 * factor].tolist() == pytest.approx(expected, abs=1e-3)


def test_overlap_makes_noise_stronger_until_it_is_refused() -> None:
    assert SliceAverage(40, 4).noise_gain == 1.0
    gains = [SliceAverage(160, 4, Profile("gaussian", width)).noise_gain for width in (4.0, 8.0, 12.0)]
    assert gains == pytest.approx([1.76, 24.6, 1830.0], rel=0.02)
    with pytest.raises(ValueError, match="profile_mm: the slices overlap"):
        SliceAverage(160, 4, Profile("gaussian", 16.0))


def test_what_does_not_fit_is_refused() -> None:
    for slices, factor, text in ((12, 1, "factor"), (12, 9, "factor"), (13, 4, "4 does not divide 13")):
        with pytest.raises(ValueError, match=text):
            SliceAverage(slices, factor)
    with pytest.raises(ValueError, match="profile"):
        Profile("round", 3.0)
    with pytest.raises(ValueError, match="profile_mm"):
        Profile("gaussian", float("nan"))
    with pytest.raises(ValueError, match="12 slices"):
        SliceAverage(12, 4).forward(random(3))
    with pytest.raises(ValueError, match="3 slices"):
        SliceAverage(12, 4).adjoint(random(12))
