"""Cold diffusion: the update's algebra, SPDPS's bound and its phases."""

from __future__ import annotations

import math

import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.samplers.cold import cold_update, dual_phase, sequential, similarity
from torch import Tensor


class Network:
    """Counts its calls and keeps the levels it was asked for; its estimate comes from `answer`."""

    def __init__(self, answer) -> None:
        self.answer, self.levels = answer, []

    def __call__(self, x: Tensor, t: int) -> Tensor:
        self.levels.append(t)
        return self.answer(x, len(self.levels))


class Keeper(Monitor):
    """Keeps every offered state, and hands one back."""

    def __init__(self, saved=None) -> None:
        self.states, self.saved = {}, saved

    def save_state(self, step, tensors):
        self.states[step] = {name: value.clone() for name, value in tensors.items()}

    def saved_state(self):
        return self.saved


def shrink(x: Tensor, t: int) -> Tensor:
    """A degradation that can be undone: the stronger the level, the fainter the image."""
    return x * 0.8**t


def images(count: int = 2) -> Tensor:
    return torch.rand((count, 24, 24), generator=torch.Generator().manual_seed(0))


def run(x, network, start=7, budget=2, refine=4, threshold=0.97, monitor=None):
    return dual_phase(
        x, start, budget, refine, threshold, network, shrink, lambda v: v, monitor or Monitor(), lambda v: v
    )


def test_the_update_is_exact_for_the_true_image_and_forgives_a_constant_error_of_a_linear_degradation() -> None:
    truth = images()
    x = shrink(truth, 5)
    assert torch.allclose(cold_update(x, truth, 5, 3, shrink), shrink(truth, 3))
    wrong = truth + 0.1
    error = cold_update(x, wrong, 5, 3, shrink) - shrink(truth, 3)
    assert torch.allclose(error, torch.full_like(error, 0.1 * (0.8**3 - 0.8**5)))


def test_sequential_sampling_visits_every_level_once_and_finds_the_truth() -> None:
    truth = images()
    network = Network(lambda x, n: x / 0.8 ** network.levels[-1])
    assert torch.allclose(sequential(shrink(truth, 6), 6, network, shrink, Monitor(), lambda v: v), truth, atol=1e-5)
    assert network.levels == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("start", [0, 1, 3, 7])
def test_a_restorer_that_never_settles_is_bounded_and_never_asked_below_level_0(start: int) -> None:
    # Every estimate is unlike the last one: the released sampler would go on for ever, below level 0.
    generator = torch.Generator().manual_seed(1)
    network = Network(lambda x, n: torch.rand(x.shape, generator=generator))
    run(images(1), network, start=start, budget=3)
    assert min(network.levels) == 0 and max(network.levels) == start
    refine = max(1, min(4, start))
    assert len(network.levels) <= 3 * (start + 1) + refine
    assert network.levels[-refine:] == list(range(refine - 1, -1, -1))


def test_settled_anatomy_spends_the_budget_on_restarts_and_then_refines() -> None:
    truth = images(1)
    network = Network(lambda x, n: truth)
    x0 = run(shrink(truth, 7), network, budget=2)
    # 7: first; 6: settled -> again from the measurement; 6: first after it; 5: settled -> budget gone; then 3 2 1 0.
    assert network.levels == [7, 6, 6, 5, 3, 2, 1, 0]
    assert torch.equal(x0, truth)
    assert Network(lambda x, n: truth).levels == []


def test_slices_do_not_disturb_each_other() -> None:
    x = images(3)

    def network(x: Tensor, t: int) -> Tensor:
        return (x * 1.3).clamp(max=0.7 + 0.02 * t)

    together = run(x, network)
    for k in range(3):
        assert torch.allclose(run(x[k : k + 1], network)[0], together[k], atol=1e-6)


def test_dual_phase_resumes_from_every_state_to_the_same_bits() -> None:
    x = images(3)

    def network(x: Tensor, t: int) -> Tensor:
        return (x * 1.3).clamp(max=0.7 + 0.02 * t)

    keeper = Keeper()
    whole = run(x, network, monitor=keeper)
    assert len(keeper.states) >= 5
    for step, tensors in keeper.states.items():
        assert torch.equal(run(x, network, monitor=Keeper((step, tensors))), whole)


def test_similarity_is_one_for_equal_images_and_knows_constants() -> None:
    x = images(1)[0]
    assert float(similarity(x, x)) == pytest.approx(1.0)
    a, b = torch.full((20, 20), 0.2), torch.full((20, 20), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert math.isclose(float(similarity(a, b)), expected, rel_tol=1e-3)


@pytest.mark.parametrize("size", [3, 8, 11, 40])
def test_similarity_of_images_of_any_size(size: int) -> None:
    x = torch.rand((size, size), generator=torch.Generator().manual_seed(0))
    assert float(similarity(x, x)) == pytest.approx(1.0)
    assert float(similarity(x, 1.0 - x)) < 0.5
