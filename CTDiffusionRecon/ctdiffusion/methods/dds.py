"""DDS: decomposed diffusion sampling (Chung, Lee and Ye, ICLR 2024, arXiv:2303.05754).

Every noise level takes one Tweedie estimate from the prior, a few conjugate-gradient steps towards the measurement
and one DDIM step. Three things differ from the released code: it starts from re-noised FBP instead of pure noise,
which saves most of the evaluations; where the noise of the measurement is known, the CG steps weigh the data by it
and the prior's estimate by its measured accuracy; and a final denoising is followed by a last agreement with the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor
from torch.nn import functional

from ..geometry import Grid
from ..operators.factory import make_operator
from ..parameters import parameter
from ..priors.prior import Prior
from ..samplers.consistency import ConjugateGradientConsistency
from ..samplers.loop import sample
from ..samplers.schedule import geometric
from ..samplers.transition import ddim
from .registry import Method, Problem, register

# Pixel size in mm that the option `grid = prior` samples on: the middle of the training volumes' sizes.
PRIOR_PIXEL = 1.5
# Finer pixels than this are sampled there by default: at 0.8 mm it was better and faster (docs/quality.md).
FINE_PIXEL = 1.0


@dataclass(frozen=True)
class DDSParameters:
    """Parameters of DDS. Noise levels are in the prior's range, where 1 is the width of its HU window."""

    steps: int = parameter(40, "Noise levels; each costs one network evaluation per slice.", low=1, high=1000)
    sigma_start: float = parameter(
        0.3, "Noise added to the starting FBP. Higher forgets more of its streaks.", low=0.01, high=5.0
    )
    sigma_end: float = parameter(0.01, "Last noise level.", low=0.002, high=1.0)
    eta: float = parameter(0.85, "Share of fresh noise in each step: 0 deterministic, 1 all new.", low=0.0, high=1.0)
    cg_iterations: int = parameter(10, "Conjugate-gradient steps of data consistency per level.", low=1, high=200)
    trust: float = parameter(
        0.1,
        "With known noise: how strongly the prior's estimate holds against the data. Larger is smoother.",
        low=0.0,
        high=1000.0,
    )
    model_error: float = parameter(
        0.01,
        "With known noise: the projector's own error in a line integral, added to the noise. Keeps rays through air "
        "from outweighing all others.",
        low=0.0,
        high=10.0,
    )
    final_cg: int = parameter(
        20, "Conjugate-gradient steps after the final denoising; 0 leaves it as it is.", low=0, high=200
    )
    final_trust: float = parameter(
        0.05,
        "The same as trust for these last steps. Smaller follows the data, and their noise, more closely.",
        low=0.0,
        high=1000.0,
    )
    grid: str = parameter(
        "auto",
        "Where to sample: on the input's grid, or on pixels of the size the prior was mostly trained on. Automatic: "
        f"the latter for pixels below {FINE_PIXEL} mm. The result lies on the input either way.",
        choices=("auto", "input", "prior"),
    )


def reconstruct(problem: Problem, parameters: DDSParameters) -> Tensor:
    """DDS in 1/mm, on any geometry and any number of slices.

    Raises:
        ValueError: no prior.
        FloatingPointError: the measurement or the prior led to values that are not finite.
    """
    prior = problem.prior
    if prior is None:
        raise ValueError("prior: method dds needs a prior")
    grid = problem.grid
    finest = {"input": 0.0, "auto": FINE_PIXEL, "prior": PRIOR_PIXEL}[parameters.grid]
    if grid.in_plane_spacing >= finest:
        return sampled(problem, prior, parameters)
    coarse = _coarser(grid)
    operator = make_operator(problem.projections.geometry, coarse, problem.projections.data.device)
    mu = sampled(replace(problem, grid=coarse, operator=operator), prior, parameters)
    mu = functional.interpolate(mu[:, None], size=grid.shape[1:], mode="bicubic", align_corners=False)[:, 0]
    with problem.monitor.timed("projector"):
        consistency = ConjugateGradientConsistency.of(
            problem.operator, problem.projections, parameters.final_cg, parameters.model_error
        )
        return consistency(mu, _tolerance(problem, prior, parameters.final_trust, parameters.sigma_end))


def sampled(problem: Problem, prior: Prior, parameters: DDSParameters) -> Tensor:
    """DDS on the problem's own grid."""
    spacing = problem.grid.in_plane_spacing
    for text in prior.gate(spacing):
        problem.monitor.warn(text)
    scale, window = problem.projections.scale, prior.info.hu_window

    def to_mu(x: Tensor) -> Tensor:
        return scale.to_mu(window.denormalise(x))

    def to_prior(mu: Tensor) -> Tensor:
        return window.normalise(scale.to_hu(mu))

    with problem.monitor.timed("projector"):
        start = to_prior(problem.operator.fbp(problem.projections.data, "hann")).clamp(0.0, 1.0)
        consistency = ConjugateGradientConsistency.of(
            problem.operator, problem.projections, parameters.cg_iterations, parameters.model_error
        )

    def agree(x0: Tensor, sigma: float) -> Tensor:
        return to_prior(consistency(to_mu(x0), _tolerance(problem, prior, parameters.trust, sigma)))

    x0 = sample(
        start,
        geometric(parameters.sigma_start, parameters.sigma_end, parameters.steps),
        partial(prior.predict_x0, spacing=spacing),
        agree,
        partial(ddim, eta=parameters.eta),
        problem.noise,
        problem.monitor,
        to_mu,
    )
    with problem.monitor.timed("network"):
        x0 = prior.predict_x0(x0, parameters.sigma_end, spacing)
    if parameters.final_cg:
        with problem.monitor.timed("projector"):
            final = replace(consistency, iterations=parameters.final_cg)
            x0 = to_prior(final(to_mu(x0), _tolerance(problem, prior, parameters.final_trust, parameters.sigma_end)))
    return to_mu(x0)


def _tolerance(problem: Problem, prior: Prior, trust: float, sigma: float) -> float:
    """Standard deviation in 1/mm that data consistency gives to the prior's estimate at noise level `sigma`."""
    scale, window = problem.projections.scale, prior.info.hu_window
    unit = scale.to_mu(window.high) - scale.to_mu(window.low)
    return float(unit) * prior.expected_error(sigma) / math.sqrt(max(trust, 1e-9))


def _coarser(grid: Grid) -> Grid:
    """The same extent on pixels of about PRIOR_PIXEL."""
    factor = PRIOR_PIXEL / grid.in_plane_spacing
    slices, rows, columns = grid.shape
    dz, dy, dx = grid.spacing
    few_rows, few_columns = max(1, round(rows / factor)), max(1, round(columns / factor))
    return replace(
        grid,
        shape=(slices, few_rows, few_columns),
        spacing=(dz, dy * rows / few_rows, dx * columns / few_columns),
    )


DDS = register(
    Method(
        name="dds",
        title="DDS",
        summary="Decomposed diffusion sampling: a trained 2-D prior and conjugate gradients take turns from FBP on.",
        source="Chung, Lee & Ye 2024 (ICLR), arXiv:2303.05754",
        parameters=DDSParameters,
        run=reconstruct,
        needs_prior=True,
    )
)
