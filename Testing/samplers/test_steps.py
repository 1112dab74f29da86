"""Every step against closed forms, its paper's formula and what version 1 computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from ctdiffusion.core.monitor import Cancelled, Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.samplers.choices import TRANSITIONS
from ctdiffusion.samplers.context import Context, Level, Step, levels
from ctdiffusion.samplers.loop import sample
from ctdiffusion.samplers.schedule import geometric
from ctdiffusion.samplers.steps.ancestral import ancestral, fresh_share
from ctdiffusion.samplers.steps.ddnm import ddnm
from ctdiffusion.samplers.steps.dds import dds
from ctdiffusion.samplers.steps.diffpir import diffpir
from ctdiffusion.samplers.steps.dpm_solver import dpm_solver
from ctdiffusion.samplers.steps.dps import dps
from ctdiffusion.samplers.steps.renew import renew
from ctdiffusion.samplers.transition import former_transition, fresh_noise_named, step_named
from samplers import version_one
from samplers.linear_problem import DEVIATION, MEAN, NOISE, SIZE, BySlice, LinearProblem
from torch import Tensor

STEPS: dict[str, Step] = {
    "dds": dds(0.85),
    "renew": renew,
    "ancestral": ancestral(0.8),
    "ddnm": ddnm(lambda level: 0.6),
    "diffpir": diffpir(0.5),
    "dpm_solver": dpm_solver(lambda level: 0.5),
    "dps": dps(1.0, lambda level: 0.6),
}
# The probability flow and the reverse diffusion of the posterior, to second order.
FLOW, REVERSE = dpm_solver(lambda level: 0.0), dpm_solver(partial(fresh_share, 1.0))
# Those whose fixed point is the posterior mean. With part of the noise that was found before the data had their say, as
# DDS and ancestral sampling have it, the mean is off by what the prior's direction adds; see the recursion below.
UNBIASED = {
    "dds, all noise fresh": dds(1.0),
    "renew": renew,
    "ddnm, all noise fresh": ddnm(lambda level: 1.0),
    "diffpir": diffpir(0.5),
    "dpm_solver": dpm_solver(lambda level: 0.7),
    "dpm_solver, flow": FLOW,
}


@pytest.mark.parametrize("name", UNBIASED)
def test_mean_of_samples_is_the_posterior_mean(name: str) -> None:
    problem = LinearProblem.of()
    mean, covariance = problem.posterior()
    assert float((mean - MEAN).norm()) > 0.5 * DEVIATION, "the data must matter"
    assert float(covariance.diagonal().max()) > 0.2 * DEVIATION**2, "and leave something open"
    found = problem.sampled(UNBIASED[name], 150).mean(0)
    assert float((found - mean).abs().max()) < 0.06 * DEVIATION


@pytest.mark.parametrize("step", [diffpir(0.0), FLOW, dpm_solver(partial(fresh_share, 0.6)), REVERSE])
def test_steps_in_the_direction_of_the_posterior_have_its_covariance(step: Step) -> None:
    assert _covariance_error(step, 300) < 0.1


@pytest.mark.parametrize("step", [dds(0.0), dds(0.85), ancestral(1.0)])
def test_steps_in_the_direction_of_the_prior_do_not(step: Step) -> None:
    """Neither few levels nor chance is the reason: DDS and its kin have the data in x0 alone."""
    assert _covariance_error(step, 150) > 0.15


def _covariance_error(step: Step, steps: int) -> float:
    problem = LinearProblem.of()
    covariance = problem.posterior()[1]
    return float((problem.sampled(step, steps).T.cov() - covariance).norm() / covariance.norm())


@pytest.mark.parametrize(
    ("step", "fresh", "after_the_data"),
    [
        (dds(0.85), lambda q: 0.85, False),
        (dds(0.0), lambda q: 0.0, False),
        (renew, lambda q: 1.0, False),
        (ancestral(0.8), lambda q: 0.8 * math.sqrt(1 - q), False),
        (ddnm(lambda level: 0.6), lambda q: 0.6, False),
        (diffpir(0.36), lambda q: 0.6, True),
    ],
)
def test_mean_and_covariance_follow_the_affine_recursion(
    step: Step, fresh: Callable[[float], float], after_the_data: bool
) -> None:
    """With a Gaussian prior every step is x' = M x + c + N z, so that mean and covariance are known exactly."""
    problem = LinearProblem.of()
    A, one = problem.matrix, torch.eye(SIZE, dtype=torch.float64)
    sigmas = geometric(2.0, 0.01, 12)
    mean, covariance = torch.full((SIZE,), MEAN, dtype=torch.float64), sigmas[0] ** 2 * one
    for sigma, after in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        share = DEVIATION**2 / (DEVIATION**2 + sigma**2)
        r2 = share * sigma**2
        gain = torch.linalg.solve(A.T @ A / NOISE**2 + one / r2, A.T / NOISE**2)
        toward = share * (one - gain @ A)
        b = fresh((after / sigma) ** 2)
        found = one - toward if after_the_data else (1 - share) * one
        move = toward + after * math.sqrt(1 - b * b) / sigma * found
        # x - MEAN is moved, and the data add their pull.
        pull = gain @ (problem.y - A.sum(1) * MEAN)
        kept = pull - (after * math.sqrt(1 - b * b) / sigma * pull if after_the_data else 0.0)
        mean, covariance = MEAN + move @ (mean - MEAN) + kept, move @ covariance @ move.T + (after * b) ** 2 * one
    samples = problem.sampled(step, 12, samples=20_000, start=2.0, end=0.01)
    deviation = covariance.diagonal().clamp(min=1e-12).sqrt()
    assert float(((samples.mean(0) - mean) / deviation).abs().max()) < 4.5 / math.sqrt(20_000)
    assert float((samples.T.cov() - covariance).norm() / covariance.norm()) < 0.03


def test_order_of_the_deterministic_steps() -> None:
    """Halving the steps halves the error of Euler's and quarters the one of the second order."""
    problem = LinearProblem.of()
    start, end = 2.0, 0.02
    noise = BySlice(NoiseSource(0))
    clean = torch.full((5, 1, SIZE), MEAN, dtype=torch.float64)
    exact = problem.flow((clean + start * noise.normal(0, (5, 1, SIZE)))[:, 0], start, end)

    def error(step: Step, count: int) -> float:
        seen: list[Tensor] = []

        def watched(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
            seen.append(x)
            return step(context, x, level)

        sample(clean, geometric(start, end, count + 1), watched, problem.context(noise), lambda x: x)
        return float((seen[-1][:, 0] - exact).norm())

    for step, order in ((diffpir(0.0), 1), (FLOW, 2)):
        rates = [math.log2(error(step, count) / error(step, 2 * count)) for count in (80, 160)]
        assert rates == pytest.approx([order, order], abs=0.15)
    assert error(FLOW, 20) < 0.3 * error(diffpir(0.0), 20)


def test_reverse_diffusion_without_a_step_before_is_the_ancestral_one() -> None:
    """First order and eta = 1: the posterior of the diffusion, p(x' | x, x0)."""
    problem = LinearProblem.of()
    context, level, x = _state(problem)
    x0 = problem.agree(problem.denoise(x, level.sigma, 0), level.sigma)
    q = (level.after / level.sigma) ** 2
    expected = q * x + (1 - q) * x0 + level.after * math.sqrt(1 - q) * context.noise(x, level)
    found, estimate = REVERSE(context, x, level)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12) and torch.equal(estimate, x0)


def test_second_order_against_diffpir() -> None:
    """The same noise; but the estimate is the one half a step on, on the line through this one and the one before."""
    problem = LinearProblem.of()
    context, level, x = _state(problem)
    level = Level(4, 0.4, 0.25, 0.5)
    x0 = problem.agree(problem.denoise(x, level.sigma, 4), level.sigma)
    before = x0 + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    slope = (x0 - before) / math.log(0.5 / 0.4)
    middle = x0 + 0.5 * math.log(0.4 / 0.25) * slope
    context.memory["before"] = before
    found, estimate = dpm_solver(lambda level: math.sqrt(0.3))(context, x, level)
    first, _ = diffpir(0.3)(context, x, level)
    share = 1.0 - level.after / level.sigma * math.sqrt(0.7)
    assert torch.allclose(found, first + share * (middle - x0), rtol=0, atol=1e-12)
    assert torch.equal(estimate, x0) and torch.equal(context.memory["before"], x0)


def test_diffpir_against_its_formula() -> None:
    """Zhu et al. 2023, algorithm 1, for x = sqrt(a) x_ve: its noise is what the corrected estimate leaves in x."""
    problem = LinearProblem.of()
    context, level, x = _state(problem)
    a, after = (1.0 / (1.0 + s**2) for s in (level.sigma, level.after))
    x_t = math.sqrt(a) * x
    x0 = problem.agree(problem.denoise(x, level.sigma, 0), level.sigma)
    eps = (x_t - math.sqrt(a) * x0) / math.sqrt(1 - a)
    z = context.noise(x, level)
    zeta = 0.3
    expected = math.sqrt(after) * x0 + math.sqrt(1 - after) * (math.sqrt(1 - zeta) * eps + math.sqrt(zeta) * z)
    found, estimate = diffpir(zeta)(context, x, level)
    assert torch.allclose(math.sqrt(after) * found, expected, rtol=0, atol=1e-12) and torch.equal(estimate, x0)
    before_the_data = (x - problem.denoise(x, level.sigma, 0)) / level.sigma
    assert float((eps - before_the_data).norm()) > 0.1, "the two noises must differ for this to show anything"


def test_dps_against_automatic_differentiation() -> None:
    problem = LinearProblem.of()
    context, level, x = _state(problem)
    leaf = x.clone().requires_grad_()
    residual = problem.denoise(leaf, level.sigma, 0) @ problem.matrix.T - problem.y
    (gradient,) = torch.autograd.grad(0.5 * residual.square().sum(), leaf)
    q = (level.after / level.sigma) ** 2
    clean = problem.denoise(x, level.sigma, 0)
    expected = q * x + (1 - q) * clean + level.after * math.sqrt(1 - q) * context.noise(x, level)
    found, _ = dps(0.7, fresh_noise_named("ancestral", 1.0))(context, x, level)
    assert torch.allclose(found, expected - 0.7 / problem.curvature() * gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [0.5, 1.0, 1.9])
def test_dps_comes_to_the_data_and_does_not_overshoot(length: float) -> None:
    problem = LinearProblem.of(0.0)
    found = problem.sampled(dps(length, fresh_noise_named("ancestral", 1.0)), 600, samples=50, start=1.0)
    misfit = (found @ problem.matrix.T - problem.y).norm(dim=1) / problem.y.norm()
    start = (MEAN * problem.matrix.sum(1) - problem.y).norm() / problem.y.norm()
    assert float(misfit.max()) < 0.1 * float(start)


def _state(problem: LinearProblem) -> tuple[Context, Level, Tensor]:
    x = MEAN + 0.5 * torch.randn((3, 1, SIZE), generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return problem.context(BySlice(NoiseSource(1))), Level(0, 0.4, 0.25, None), x


@pytest.mark.parametrize("eta", [0.0, 0.3, 0.85, 1.0])
@pytest.mark.parametrize("name", TRANSITIONS)
def test_transitions_compute_what_they_did_in_version_one(name: str, eta: float) -> None:
    """To the bit, in single precision; with DDNM's step as well."""
    problem, noise = LinearProblem.of(), NoiseSource(2)
    sigmas = geometric(0.5, 0.01, 7)
    shape = (4, 1, SIZE)
    start = torch.full(shape, MEAN)

    def agree(x0: Tensor, sigma: float) -> Tensor:
        return problem.agree(x0.double(), sigma).float()

    old = version_one.sample(
        start, sigmas, problem.denoise, agree, version_one.transition(name, eta), lambda k: noise.normal(k, shape)
    )
    assert old.dtype == torch.float32
    for step in (step_named(name, eta), ddnm(fresh_noise_named(name, eta))):
        context = problem.context(noise)
        object.__setattr__(context.data, "agree", agree)
        assert torch.equal(sample(start, sigmas, step, context, lambda x: x), old)


def test_the_name_that_changed_its_meaning_is_told() -> None:
    assert [len(former_transition(name, 0.5)) for name in TRANSITIONS] == [0, 0, 0, 1]
    assert "method diffpir" in former_transition("diffpir", 0.5)[0]
    for function in (step_named, fresh_noise_named):
        with pytest.raises(ValueError, match="transition: 'guess' is unknown"):
            function("guess", 0.5)


class Recorder(Monitor):
    """Keeps the last state; stops, as a cancelled job does, after `stop` steps."""

    def __init__(self, stop: int = -1) -> None:
        self.stop = stop
        self.state: tuple[int, dict[str, Tensor]] | None = None
        self.reported: list[int] = []

    def save_state(self, step: int, tensors: dict[str, Tensor]) -> None:
        self.state = (step, {name: value.clone() for name, value in tensors.items()})

    def saved_state(self) -> tuple[int, dict[str, Tensor]] | None:
        return self.state

    def step(self, phase: str, step: int, total: int, image: Any = None) -> None:
        self.reported.append(step)
        if step == self.stop:
            raise Cancelled


@pytest.mark.parametrize("stop", [1, 4, 8])
@pytest.mark.parametrize("name", STEPS)
def test_a_cancelled_sampler_goes_on_to_the_same_bits(name: str, stop: int) -> None:
    problem, sigmas = LinearProblem.of(), geometric(0.5, 0.01, 9)
    start = torch.full((3, 1, SIZE), MEAN, dtype=torch.float64)

    def run(monitor: Monitor) -> Tensor:
        return sample(start, sigmas, STEPS[name], problem.context(BySlice(NoiseSource(1)), monitor), lambda x: x)

    monitor = Recorder(stop)
    with pytest.raises(Cancelled):
        run(monitor)
    assert monitor.reported == list(range(1, stop + 1)), "not one step is done after a cancel"
    monitor.stop = -1
    assert torch.equal(run(monitor), run(Monitor()))
    assert monitor.reported == list(range(1, 10))


@pytest.mark.parametrize("name", STEPS)
def test_a_part_of_the_slices_gets_the_same_answer(name: str) -> None:
    problem, sigmas = LinearProblem.of(), geometric(0.5, 0.01, 9)

    def run(first: int, count: int) -> Tensor:
        start = torch.full((count, 1, SIZE), MEAN, dtype=torch.float64)
        context = problem.context(BySlice(NoiseSource(1, first)))
        return sample(start, sigmas, STEPS[name], context, lambda x: x)

    whole = run(10, 6)
    assert torch.allclose(run(12, 2), whole[2:4], rtol=0, atol=1e-12)
    assert float((whole[0] - whole[1]).abs().max()) > 1e-3, "slices must have their own noise"


@pytest.mark.parametrize("name", STEPS)
def test_the_last_estimate_has_no_noise_added(name: str) -> None:
    problem = LinearProblem.of()
    context, _, x = _state(problem)
    after, estimate = STEPS[name](context, x, Level(3, 0.1, 0.0, 0.2))
    assert torch.allclose(after, estimate, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_a_state_that_is_not_finite_stops_the_sampler(name: str) -> None:
    problem = LinearProblem.of()
    monitor = Recorder()
    context = problem.context(BySlice(NoiseSource(1)), monitor)
    step = STEPS[name]

    def broken(context: Context, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        x, x0 = step(context, x, level)
        return (x * math.inf if level.index == 2 else x), x0

    start = torch.full((2, 1, SIZE), MEAN, dtype=torch.float64)
    with pytest.raises(FloatingPointError, match="step 3"):
        sample(start, geometric(0.5, 0.01, 5), broken, context, lambda x: x)
    assert monitor.state is not None and monitor.state[0] == 2, "a spoilt state is not kept"


def test_levels_know_their_neighbours() -> None:
    assert list(levels([3.0, 2.0, 1.0])) == [
        Level(0, 3.0, 2.0, None), Level(1, 2.0, 1.0, 3.0), Level(2, 1.0, 0.0, 2.0)
    ]  # fmt: skip
    assert list(levels([1.0])) == [Level(0, 1.0, 0.0, None)]
