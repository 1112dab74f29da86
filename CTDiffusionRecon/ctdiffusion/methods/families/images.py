"""What the image-domain systems share: the way from a measurement through the common loop to a volume.

A system is a choice of parts: how the prior is laid over the slices, how the estimate is made to agree with the data,
how the next level is reached and where its noise comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from torch import Tensor
from torch.nn import functional

from ...operators.angular import missing_directions
from ...operators.factory import make_operator
from ...priors.kind_names import IMAGE
from ...priors.kinds import kind_of
from ...priors.prior import Prior
from ...samplers.admm import TotalVariationConsistency
from ...samplers.consistency import ConjugateGradientConsistency
from ...samplers.loop import sample
from ...samplers.noise_policy import noise_policy
from ...samplers.schedule import geometric
from ...samplers.slice_policy import Denoise, per_slice
from ...samplers.transition import transition_named
from ...scan.beams import Geometry
from ...scan.sampling_grid import sampling_grid
from ..problem import Problem
from .image_parameters import LIMITED_DEG, SIGMA_LIMITED, SIGMA_START, GradientParameters, SamplingParameters


@dataclass(frozen=True)
class Agreement:
    """Data consistency: `agree` maps (estimate in 1/mm, sigma) to a volume in 1/mm; `carried` is its memory."""

    agree: Callable[[Tensor, float], Tensor]
    carried: dict[str, Tensor] = field(default_factory=dict)


def reconstruct(
    problem: Problem,
    parameters: SamplingParameters,
    consistency: Callable[[Problem, Prior], Agreement],
    slices: Callable[[Prior, float], Denoise] = per_slice,
) -> Tensor:
    """Run an image-domain sampler; attenuation `[slice, row, column]` in 1/mm, on any geometry and slice count.

    Args:
        problem: the measurement, the prior and the rest.
        parameters: the sampler's.
        consistency: (problem, prior) -> data consistency.
        slices: (prior, pixel size in mm) -> how the prior is laid over the slices.

    Raises:
        ValueError: no prior, or one that does not fit.
        FloatingPointError: the measurement or the prior led to values that are not finite.
    """
    prior = image_prior(problem)
    grid = problem.grid
    if grid.shape[0] == 1 and parameters.noise_policy != "independent":
        problem.monitor.warn(f"noise_policy: {parameters.noise_policy} is without effect, one slice has no neighbours")
    coarse = sampling_grid(grid, parameters.grid, prior.info.spacing_range)
    if coarse == grid:
        return _sampled(problem, prior, parameters, consistency, slices)
    operator = make_operator(problem.projections.geometry, coarse, problem.projections.data.device)
    mu = _sampled(replace(problem, grid=coarse, operator=operator), prior, parameters, consistency, slices)
    mu = functional.interpolate(mu[:, None], size=grid.shape[1:], mode="bicubic", align_corners=False)[:, 0]
    return _last_agreement(problem, prior, parameters, mu)


def conjugate_gradients(parameters: GradientParameters) -> Callable[[Problem, Prior], Agreement]:
    """Data consistency by conjugate gradients, inside one ADMM step per level where `parameters.tv` is set."""

    def prepare(problem: Problem, prior: Prior) -> Agreement:
        operator, projections = problem.operator, problem.projections
        steps, error = parameters.cg_iterations, parameters.model_error

        def tau(sigma: float) -> float:
            return _tolerance(problem, prior, parameters.trust, sigma)

        if parameters.tv:
            if parameters.tv_axes == "z" and problem.grid.shape[0] == 1:
                problem.monitor.warn("tv: along z it is without effect, one slice has no neighbours")
            smooth = TotalVariationConsistency.of(
                operator, projections, steps, error, parameters.tv, parameters.tv_axes, parameters.weighted
            )
            return Agreement(lambda mu, sigma: smooth(mu, tau(sigma)), smooth.carried)
        plain = ConjugateGradientConsistency.of(operator, projections, steps, error, parameters.weighted)
        return Agreement(lambda mu, sigma: plain(mu, tau(sigma)))

    return prepare


def first_level(parameters: SamplingParameters, geometry: Geometry) -> float:
    """The first noise level: the one asked for, or the one that suits the angles of `geometry`."""
    if parameters.sigma_start is not None:
        return parameters.sigma_start
    return SIGMA_LIMITED if missing_directions(geometry) > math.radians(LIMITED_DEG) else SIGMA_START


def image_prior(problem: Problem) -> Prior:
    """The problem's prior, if it is one of CT images.

    Raises:
        ValueError: there is none, or it is one of something else.
    """
    prior = problem.prior
    if prior is None:
        raise ValueError("prior: this method needs a prior")
    if (kind_of(prior.info), prior.info.modality) != (IMAGE, "CT"):
        kind = f"{prior.info.modality} {prior.info.domain}s"
        raise ValueError(f"prior: {prior.info.name} is a prior of {kind}, this method needs one of CT images")
    return cast(Prior, prior)


def _sampled(
    problem: Problem,
    prior: Prior,
    parameters: SamplingParameters,
    consistency: Callable[[Problem, Prior], Agreement],
    slices: Callable[[Prior, float], Denoise],
) -> Tensor:
    for text in prior.gate(*problem.grid.spacing[1:]):
        problem.monitor.warn(text)
    scale, window = problem.projections.scale, prior.info.hu_window

    def to_mu(x: Tensor) -> Tensor:
        return scale.to_mu(window.denormalise(x))

    def to_prior(mu: Tensor) -> Tensor:
        return window.normalise(scale.to_hu(mu))

    with problem.monitor.timed("projector"):
        start = to_prior(problem.operator.fbp(problem.projections.data, "hann")).clamp(0.0, 1.0)
        agreement = consistency(problem, prior)

    denoise = slices(prior, problem.grid.in_plane_spacing)
    x0 = sample(
        start,
        geometric(first_level(parameters, problem.projections.geometry), parameters.sigma_end, parameters.steps),
        denoise,
        lambda x0, sigma: to_prior(agreement.agree(to_mu(x0), sigma)),
        transition_named(parameters.transition, parameters.eta),
        noise_policy(parameters.noise_policy, problem.noise, parameters.noise_length, start.shape[0]),
        problem.monitor,
        to_mu,
        agreement.carried,
    )
    with problem.monitor.timed("network"):
        x0 = denoise(x0, parameters.sigma_end, parameters.steps)
    return _last_agreement(problem, prior, parameters, to_mu(x0))


def _last_agreement(problem: Problem, prior: Prior, parameters: SamplingParameters, mu: Tensor) -> Tensor:
    if not parameters.final_cg:
        return mu
    with problem.monitor.timed("projector"):
        consistency = ConjugateGradientConsistency.of(
            problem.operator, problem.projections, parameters.final_cg, parameters.model_error, parameters.weighted
        )
        return consistency(mu, _tolerance(problem, prior, parameters.final_trust, parameters.sigma_end))


def _tolerance(problem: Problem, prior: Prior, trust: float, sigma: float) -> float:
    """Standard deviation in 1/mm that data consistency gives to the prior's estimate at noise level `sigma`."""
    scale, window = problem.projections.scale, prior.info.hu_window
    unit = scale.to_mu(window.high) - scale.to_mu(window.low)
    return float(unit) * prior.expected_error(sigma) / math.sqrt(max(trust, 1e-9))
