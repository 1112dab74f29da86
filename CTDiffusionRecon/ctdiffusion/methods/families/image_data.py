"""The data terms of the image-domain systems, made from a measurement: what acts between prior and next level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from ...priors.prior import Prior
from ...samplers.admm import TotalVariationConsistency
from ...samplers.consistency import ConjugateGradientConsistency
from ...samplers.misfit import MisfitGradient
from ...samplers.nullspace import NullSpaceConsistency
from ..problem import Problem
from .image_parameters import ConjugateGradientParameters, LevelParameters


@dataclass(frozen=True)
class Agreement:
    """What a measurement has to say about an estimate.

    Attributes:
        agree: (estimate in 1/mm, sigma) -> consistent volume in 1/mm.
        gradient: estimate in 1/mm -> gradient of the misfit in 1/mm, in units of its largest curvature.
        carried: the memory of `agree`.
    """

    agree: Callable[[Tensor, float], Tensor]
    gradient: Callable[[Tensor], Tensor] | None = None
    carried: dict[str, Tensor] = field(default_factory=dict)


# The operator is known only where the sampling grid is.
Prepare = Callable[[Problem, Prior], Agreement]


def conjugate_gradients(parameters: ConjugateGradientParameters) -> Prepare:
    """A few conjugate-gradient steps on (A' W A + I / tau^2) mu = A' W y + mu0 / tau^2.

    They start from mu0 plus what the level before added to its own.
    W are the weights of the noise and tau is the prior's expected error at the level, by the root of `trust`. Where
    `parameters.tv` is set they are part of one ADMM step per level with total variation.
    """

    def prepare(problem: Problem, prior: Prior) -> Agreement:
        operator, projections = problem.operator, problem.projections
        steps, error = parameters.cg_iterations, parameters.model_error

        def tau(sigma: float) -> float:
            return tolerance(problem, prior, parameters.trust, sigma)

        if parameters.tv:
            if parameters.tv_axes == "z" and problem.grid.shape[0] == 1:
                problem.monitor.warn("tv: along z it is without effect, one slice has no neighbours")
            smooth = TotalVariationConsistency.of(
                operator, projections, steps, error, parameters.tv, parameters.tv_axes, parameters.weighted
            )
            return Agreement(lambda mu, sigma: smooth(mu, tau(sigma)), carried=smooth.carried)
        plain = ConjugateGradientConsistency.of(operator, projections, steps, error, parameters.weighted).carrying()
        return Agreement(
            lambda mu, sigma: plain(mu, tau(sigma)), carried={} if plain.carried is None else plain.carried
        )

    return prepare


def null_space(iterations: int) -> Prepare:
    """mu0 + A+ (y - A mu0), with `iterations` of SIRT as the pseudo-inverse A+."""

    def prepare(problem: Problem, prior: Prior) -> Agreement:
        project = NullSpaceConsistency.of(problem.operator, problem.projections, iterations)
        return Agreement(lambda mu, sigma: project(mu))

    return prepare


def misfit_gradient(filtered: bool) -> Prepare:
    """The gradient of the misfit, for steps that go down it; nothing is solved for."""

    def prepare(problem: Problem, prior: Prior) -> Agreement:
        return Agreement(lambda mu, sigma: mu, MisfitGradient.of(problem.operator, problem.projections, filtered))

    return prepare


def last_agreement(problem: Problem, prior: Prior, parameters: LevelParameters, mu: Tensor) -> Tensor:
    """The image in 1/mm after `parameters.final_cg` conjugate-gradient steps from it towards the data."""
    if not parameters.final_cg:
        return mu
    with problem.monitor.timed("projector"):
        consistency = ConjugateGradientConsistency.of(
            problem.operator, problem.projections, parameters.final_cg, parameters.model_error, parameters.weighted
        )
        return consistency(mu, tolerance(problem, prior, parameters.final_trust, parameters.sigma_end))


def tolerance(problem: Problem, prior: Prior, trust: float, sigma: float) -> float:
    """Standard deviation in 1/mm that data consistency gives to the prior's estimate at noise level `sigma`."""
    scale, window = problem.projections.scale, prior.info.hu_window
    unit = scale.to_mu(window.high) - scale.to_mu(window.low)
    return float(unit) * prior.expected_error(sigma) / math.sqrt(max(trust, 1e-9))
