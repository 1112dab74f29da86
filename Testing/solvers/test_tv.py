from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ctdiffusion.solvers.tv import total_variation
from ctdiffusion.solvers.tv_objective import TVObjective
from solvers.dense_operator import DenseOperator, cone_operator, image, stack_operator
from solvers.reference_tv import reference_tv
from torch import Tensor


def noisy(operator: DenseOperator, truth: Tensor, sigma: float = 0.03, seed: int = 5) -> tuple[Tensor, Tensor]:
    """Data with noise that differs from ray to ray, and its weights."""
    random = torch.Generator().manual_seed(seed)
    y = operator.forward(truth)
    variance = (sigma * (0.5 + torch.rand(y.shape, generator=random))) ** 2
    return y + variance.sqrt() * torch.randn(y.shape, generator=random), variance.reciprocal()


def few_views() -> tuple[TVObjective, Tensor]:
    """Three slices with fewer rays than voxels."""
    operator = stack_operator(views=3)
    truth = image(3)
    return TVObjective(operator, *noisy(operator, truth)), truth


def flat(t: Tensor) -> Tensor:
    return t.reshape(-1).double()


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("strength", [3.0, 60.0])
def test_it_reaches_the_minimum_found_by_another_algorithm(strength: float, nonnegative: bool) -> None:
    objective, _ = few_views()
    objective = replace(objective, nonnegative=nonnegative)
    x = total_variation(objective, torch.zeros(3, 6, 6), strength, 3000).image
    for k in range(3):
        expected = reference_tv(
            objective.operator.matrix, flat(objective.data[k]), flat(objective.weights[k]), (1, 6, 6),
            objective.spacing, strength, nonnegative=nonnegative,
        )  # fmt: skip
        part = objective.part(slice(k, k + 1))
        best = float(part.value(expected.float(), strength))
        assert float(part.value(x[k : k + 1], strength)) == pytest.approx(best, rel=2e-5)
        torch.testing.assert_close(x[k : k + 1].double(), expected, rtol=0.0, atol=3e-4)


@pytest.mark.parametrize("make", [stack_operator, cone_operator])
def test_coupled_slices_reach_the_minimum_too(make: object) -> None:
    operator: DenseOperator = make()  # type: ignore[operator]
    truth = image(2) if operator.geometry.is_stack else image(3, 6)[:, :4, :4].contiguous()
    objective = TVObjective(operator, *noisy(operator, truth), z_weight=0.7)
    x = total_variation(objective, torch.zeros_like(truth), 10.0, 4000).image
    A = operator.matrix
    if operator.geometry.is_stack:
        A = torch.block_diag(*[A] * truth.shape[0])
    expected = reference_tv(
        A, flat(objective.data), flat(objective.weights), tuple(truth.shape), objective.spacing, 10.0, 0.7
    )
    best = float(objective.value(expected.float(), 10.0))
    assert float(objective.value(x, 10.0)) == pytest.approx(best, rel=2e-5)
    torch.testing.assert_close(x.double(), expected, rtol=0.0, atol=3e-4)


def test_the_objective_falls_and_no_voxel_is_negative() -> None:
    objective, _ = few_views()
    start = objective.operator.fbp(objective.data)
    values = [objective.value(start.clamp(min=0.0), 20.0)]
    for iterations in (10, 40, 160, 640):
        result = total_variation(objective, start, 20.0, iterations)
        assert result.image.min() >= 0.0
        values.append(objective.value(result.image, 20.0))
    falls = torch.stack(values).diff(dim=0)
    assert (falls <= 1e-4 * values[-1]).all()
    assert (values[-1] < 0.2 * values[0]).all()


def test_without_the_constraint_voxels_do_go_negative() -> None:
    objective, truth = few_views()
    free = total_variation(replace(objective, nonnegative=False), torch.zeros_like(truth), 1.0, 1000).image
    assert free.min() < -1e-4


def test_an_enormous_weight_flattens_and_a_zero_weight_fits() -> None:
    operator = stack_operator()
    objective = TVObjective(operator, *noisy(operator, image(2)))
    flat_image = total_variation(objective, torch.zeros(2, 6, 6), 1e7, 4000).image
    assert (flat_image.amax(dim=(1, 2)) - flat_image.amin(dim=(1, 2))).max() < 1e-3 * flat_image.max()
    zero = total_variation(replace(objective, nonnegative=False), torch.zeros(2, 6, 6), 0.0, 6000).image
    S = objective.weights[0].sqrt().reshape(-1, 1).double()
    y = objective.data[0].reshape(-1, 1).double()
    expected = torch.linalg.lstsq(S * operator.matrix, S * y).solution
    torch.testing.assert_close(zero[0].reshape(-1, 1).double(), expected, rtol=0.0, atol=3e-4)


def test_more_weight_means_less_variation_and_more_misfit() -> None:
    objective, truth = few_views()
    results = [total_variation(objective, torch.zeros_like(truth), s, 1500) for s in (2.0, 8.0, 32.0)]
    variation = torch.stack([objective.variation(r.image) for r in results])
    assert (variation.diff(dim=0) < 0).all()
    assert (torch.stack([r.chi2 for r in results]).diff(dim=0) > 0).all()


def test_scaling_data_noise_and_weight_scales_the_image() -> None:
    objective, truth = few_views()
    x = total_variation(objective, torch.zeros_like(truth), 20.0, 150).image
    scaled = replace(objective, data=8.0 * objective.data, weights=objective.weights / 64.0)
    torch.testing.assert_close(
        total_variation(scaled, torch.zeros_like(truth), 20.0 / 8.0, 150).image, 8.0 * x, rtol=1e-4, atol=1e-6
    )


def test_variation_is_an_integral_in_mm() -> None:
    """A square of 8 mm and 0.02 / mm has TV 0.02 x 32 mm, up to the corners, on coarse and on fine voxels."""
    for side, spacing in ((8, 2.0), (32, 0.5)):
        operator = stack_operator(side=side, spacing=spacing)
        x = torch.zeros(1, side, side)
        quarter = side // 4
        x[0, quarter:-quarter, quarter:-quarter] = 0.02
        objective = TVObjective(operator, torch.zeros(1, 6, 9))
        assert float(objective.variation(x)) == pytest.approx(0.02 * 32.0, abs=0.02 * spacing)


@pytest.mark.parametrize("target", [None, 0.5])
def test_slices_do_not_depend_on_their_neighbours_even_when_some_finish_early(target: float | None) -> None:
    objective, truth = few_views()
    start = torch.zeros_like(truth)
    together = total_variation(objective, start, 20.0, 2000, 1e-4, target)
    assert len(set(together.iterations.tolist())) > 1
    for k in range(3):
        part = slice(k, k + 1)
        alone = total_variation(objective.part(part), start[part], 20.0, 2000, 1e-4, target)
        torch.testing.assert_close(alone.image, together.image[part], rtol=1e-5, atol=1e-7)
        assert alone.iterations[0] == together.iterations[k] < 2000
        torch.testing.assert_close(alone.strength, together.strength[part], rtol=1e-4, atol=0.0)


def test_each_slice_may_have_its_own_weight() -> None:
    objective, truth = few_views()
    own = total_variation(objective, torch.zeros_like(truth), torch.tensor([2.0, 8.0, 32.0]), 300).image
    for k, strength in enumerate((2.0, 8.0, 32.0)):
        same = total_variation(objective, torch.zeros_like(truth), strength, 300).image
        torch.testing.assert_close(own[k], same[k], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("target", [0.4, 0.8])
@pytest.mark.parametrize("begin", [5.0, 60.0])
def test_the_discrepancy_principle_hits_its_target(target: float, begin: float) -> None:
    objective, truth = few_views()
    result = total_variation(objective, torch.zeros_like(truth), begin, 600, target=target)
    torch.testing.assert_close(objective.chi2(result.image).flatten(), torch.full((3,), target), rtol=0.02, atol=0.0)
    torch.testing.assert_close(result.chi2, torch.full((3,), target), rtol=0.02, atol=0.0)
    # The weight that came out, given from the start, gives the same image.
    again = total_variation(objective, torch.zeros_like(truth), result.strength, 1500).image
    torch.testing.assert_close(result.image, again, rtol=0.0, atol=3e-4)


def test_a_target_out_of_reach_leaves_the_weight_within_its_range() -> None:
    objective, truth = few_views()
    result = total_variation(objective, torch.zeros_like(truth), 10.0, 400, target=1e6)
    torch.testing.assert_close(result.strength, torch.full((3,), 1000.0))


def test_a_dead_pixel_does_not_matter() -> None:
    objective, truth = few_views()
    weights = objective.weights.clone()
    weights[:, 1, 4] = 0.0
    spoilt = objective.data.clone()
    spoilt[:, 1, 4] = 50.0
    dead = replace(objective, weights=weights)
    x = total_variation(dead, torch.zeros_like(truth), 20.0, 100).image
    y = total_variation(replace(dead, data=spoilt), torch.zeros_like(truth), 20.0, 100).image
    torch.testing.assert_close(y, x)


def test_an_empty_slice_stays_empty() -> None:
    objective, truth = few_views()
    data = objective.data.clone()
    data[1] = 0.0
    result = total_variation(replace(objective, data=data), torch.zeros_like(truth), 20.0, 100, 1e-5, target=0.5)
    assert torch.isfinite(result.image).all()
    assert result.image[1].abs().max() == 0.0


def test_the_callback_counts_to_the_end_and_can_stop() -> None:
    objective, truth = few_views()
    steps: list[int] = []
    total_variation(objective, torch.zeros_like(truth), 20.0, 25, callback=lambda step, x: steps.append(step))
    assert steps == list(range(1, 26))

    class Stop(Exception):
        pass

    def stop(step: int, x: Tensor) -> None:
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        total_variation(objective, torch.zeros_like(truth), 20.0, 25, callback=stop)


def test_bad_arguments_are_refused() -> None:
    objective, truth = few_views()
    start = torch.zeros_like(truth)
    with pytest.raises(ValueError, match="strength"):
        total_variation(objective, start, -1.0)
    with pytest.raises(ValueError, match="strength"):
        total_variation(objective, start, float("nan"))
    with pytest.raises(ValueError, match="iterations"):
        total_variation(objective, start, 1.0, 0)
    with pytest.raises(ValueError, match="target"):
        total_variation(objective, start, 1.0, target=0.0)
    with pytest.raises(ValueError, match="target"):
        total_variation(replace(objective, weights=None), start, 1.0, target=0.5)
    with pytest.raises(ValueError, match="z_weight"):
        replace(objective, z_weight=-0.1)
    with pytest.raises(ValueError, match="weights"):
        replace(objective, weights=-objective.weights)
    with pytest.raises(ValueError, match="shape"):
        replace(objective, weights=objective.weights[:1])
