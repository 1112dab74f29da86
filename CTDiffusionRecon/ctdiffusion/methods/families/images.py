"""What the image-domain systems share: the way from a measurement through the common loop to a volume.

A system is a choice of parts: how the prior is laid over the slices, how the estimate is made to agree with the data,
how the next level is reached and where its noise comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from torch import Tensor
from torch.nn import functional

from ...operators.angular import missing_directions
from ...operators.factory import make_operator
from ...priors.kind_names import IMAGE
from ...priors.kinds import kind_of
from ...priors.prior import Prior
from ...samplers.context import Context, DataTerm, Level, Step
from ...samplers.loop import sample
from ...samplers.noise_policy import noise_policy
from ...samplers.schedule import geometric
from ...samplers.slice_policy import Denoise, per_slice
from ...samplers.transition import former_transition, fresh_noise_named, step_named
from ...scan.beams import Geometry
from ...scan.sampling_grid import sampling_grid
from ..problem import Problem
from .image_data import Prepare, last_agreement
from .image_parameters import LIMITED_DEG, SIGMA_LIMITED, SIGMA_START, LevelParameters, SamplingParameters


def reconstruct(
    problem: Problem,
    parameters: LevelParameters,
    step: Step,
    consistency: Prepare,
    slices: Callable[[Prior, float], Denoise] = per_slice,
) -> Tensor:
    """Run an image-domain sampler; attenuation `[slice, row, column]` in 1/mm, on any geometry and slice count.

    Args:
        problem: the measurement, the prior and the rest.
        parameters: the sampler's.
        step: what happens at each level.
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
        return _sampled(problem, prior, parameters, step, consistency, slices)
    operator = make_operator(problem.projections.geometry, coarse, problem.projections.data.device)
    mu = _sampled(replace(problem, grid=coarse, operator=operator), prior, parameters, step, consistency, slices)
    mu = functional.interpolate(mu[:, None], size=grid.shape[1:], mode="bicubic", align_corners=False)[:, 0]
    return last_agreement(problem, prior, parameters, mu)


def chosen_step(problem: Problem, parameters: SamplingParameters) -> Step:
    """The step that `parameters.transition` names, by default that of DDS; a name of version 1 is told."""
    for text in former_transition(parameters.transition, parameters.eta):
        problem.monitor.warn(text)
    return step_named(parameters.transition, parameters.eta)


def chosen_noise(problem: Problem, parameters: SamplingParameters) -> Callable[[Level], float]:
    """The same as the share of fresh noise at a level."""
    for text in former_transition(parameters.transition, parameters.eta):
        problem.monitor.warn(text)
    return fresh_noise_named(parameters.transition, parameters.eta)


def first_level(parameters: LevelParameters, geometry: Geometry) -> float:
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
    parameters: LevelParameters,
    step: Step,
    consistency: Prepare,
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

    # The prior's range is an affine map of 1/mm: a gradient there is one here but for the unit.
    unit, descend = float(scale.to_mu(window.high) - scale.to_mu(window.low)), agreement.gradient
    pixel = problem.grid.in_plane_spacing
    denoise = slices(prior, pixel)
    context = Context(
        denoise,
        DataTerm(
            lambda x0, sigma: to_prior(agreement.agree(to_mu(x0), sigma)),
            None if descend is None else lambda x0: descend(to_mu(x0)) / unit,
            agreement.carried,
        ),
        noise_policy(parameters.noise_policy, problem.noise, parameters.noise_length, start.shape[0]),
        problem.monitor,
        lambda x, g, sigma: prior.pull_back(x, g, sigma, pixel),
    )
    sigmas = geometric(first_level(parameters, problem.projections.geometry), parameters.sigma_end, parameters.steps)
    x0 = sample(start, sigmas, step, context, to_mu)
    with problem.monitor.timed("network"):
        x0 = denoise(x0, parameters.sigma_end, parameters.steps)
    return last_agreement(problem, prior, parameters, to_mu(x0))
