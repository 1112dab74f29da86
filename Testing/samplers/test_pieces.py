"""Schedules, transitions and data consistency, each against its formula; whole steps are in `test_steps`."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.samplers.choices import TRANSITIONS
from ctdiffusion.samplers.consistency import ConjugateGradientConsistency
from ctdiffusion.samplers.context import Context, DataTerm, Level
from ctdiffusion.samplers.schedule import geometric
from ctdiffusion.samplers.transition import step_named
from ctdiffusion.scan.beams import Grid, ParallelBeam, equispaced
from ctdiffusion.scan.projections import Projections
from torch import Tensor


def test_geometric_levels_have_equal_ratios_and_exact_ends() -> None:
    levels = geometric(0.3, 0.01, 40)
    assert len(levels) == 40
    assert levels[0] == pytest.approx(0.3) and levels[-1] == pytest.approx(0.01)
    ratios = [b / a for a, b in pairwise(levels)]
    assert max(ratios) == pytest.approx(min(ratios))
    assert geometric(0.3, 0.01, 1) == [0.3]


@pytest.mark.parametrize(("start", "end", "steps"), [(0.1, 0.3, 4), (0.3, 0.0, 4), (0.3, 0.1, 0), (-1.0, 0.1, 3)])
def test_impossible_schedules_are_refused(start: float, end: float, steps: int) -> None:
    wrong = "steps" if steps == 0 else "sigma_start" if start < 0.0 else "sigma_end"
    with pytest.raises(ValueError, match=rf"^parameters\.{wrong}: "):
        geometric(start, end, steps)


def test_a_single_level_needs_no_end() -> None:
    assert geometric(0.1, 0.3, 1) == [0.1]


class Given:
    """The same noise at every step."""

    def __init__(self, z: Tensor) -> None:
        self.z = z

    def normal(self, step: int, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> Tensor:
        return self.z.reshape(shape)


def reached(name: str, share: float, x0: Tensor, noise: Tensor, fresh: Tensor, sigma: float, after: float) -> Tensor:
    """The next state where the prior finds `x0` and the data have nothing to say."""
    shape = (1, 1, x0.numel())
    context = Context(
        lambda x, sigma, index: x0.reshape(shape), DataTerm(lambda x0, sigma: x0), Given(fresh), Monitor()
    )
    x, _ = step_named(name, share)(context, (x0 + sigma * noise).reshape(shape), Level(0, sigma, after, None))
    return x.flatten()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.85, 1.0])
@pytest.mark.parametrize("name", TRANSITIONS)
def test_every_transition_keeps_the_variance(name: str, share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    noise, fresh = torch.randn((2, 200_000), generator=generator)
    state = reached(name, share, torch.full((200_000,), 3.0), noise, fresh, 0.3, 0.2)
    assert float(state.mean()) == pytest.approx(3.0, abs=2e-3)
    assert float(state.std()) == pytest.approx(0.2, rel=1e-2)


def test_transitions_against_their_formulas() -> None:
    x0, noise, fresh = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    sigma, after = 0.3, 0.2

    def found(name: str, share: float) -> Tensor:
        return reached(name, share, x0, noise, fresh, sigma, after)

    assert torch.allclose(found("dds", 0.0), x0 + after * noise)
    assert torch.allclose(found("renew", 0.4), x0 + after * fresh)
    half = math.sqrt(0.5)
    assert torch.allclose(found("diffpir", 0.5), x0 + after * half * (noise + fresh))
    # The posterior of a variance-exploding diffusion has mean q x + (1 - q) x0 and variance s'^2 (1 - q), q = (s'/s)^2.
    ratio = (after / sigma) ** 2
    mean = ratio * (x0 + sigma * noise) + (1 - ratio) * x0
    exact = mean + after * math.sqrt(1 - ratio) * fresh
    assert torch.allclose(found("ancestral", 1.0), exact)


@pytest.mark.parametrize("model_error", [0.0, 0.03])
def test_consistency_solves_its_normal_equations(model_error: float) -> None:
    grid = Grid((2, 6, 6), (1.0, 1.0, 1.0))
    operator = make_operator(ParallelBeam(equispaced(7, math.pi), 10, 1.0), grid)
    generator = torch.Generator().manual_seed(1)
    data = torch.rand((2, 7, 10), generator=generator)
    variance = 0.01 + torch.rand(data.shape, generator=generator) * 0.1
    variance[0, 3, 4] = float("inf")
    estimate = torch.rand((2, 6, 6), generator=generator)
    tau = 0.5
    projections = Projections(data, operator.geometry, variance)
    solution = ConjugateGradientConsistency.of(operator, projections, 80, model_error)(estimate, tau)
    matrix = operator.forward(torch.eye(36).reshape(36, 6, 6)).reshape(36, -1).T.double()
    for index in range(2):
        weights = 1.0 / (variance[index].flatten().double() + model_error**2)
        left = matrix.T @ (weights[:, None] * matrix) + torch.eye(36, dtype=torch.float64) / tau**2
        right = matrix.T @ (weights * data[index].flatten()) + estimate[index].flatten() / tau**2
        exact = torch.linalg.solve(left, right).float()
        assert torch.allclose(solution[index].flatten(), exact, atol=2e-4)
