"""DDS: decomposed diffusion sampling (Chung, Lee and Ye, ICLR 2024, arXiv:2303.05754).

Every noise level takes one Tweedie estimate from the prior, a few conjugate-gradient steps towards the measurement
and one DDIM step. Three things differ from the released code: it starts from re-noised FBP instead of pure noise,
which saves most of the evaluations; where the noise of the measurement is known, the CG steps weigh the data by it
and the prior's estimate by its measured accuracy; and a final denoising is followed by a last agreement with the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from ..parameters import parameter
from ..samplers.consistency import ConjugateGradientConsistency
from ..samplers.loop import sample
from ..samplers.schedule import geometric
from ..samplers.transition import ddim
from .registry import Method, Problem, register


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
        1.0,
        "With known noise: how strongly the prior's estimate holds against the data. Larger is smoother.",
        low=0.0,
        high=1000.0,
    )
    final_cg: int = parameter(
        3, "Conjugate-gradient steps after the final denoising; 0 leaves it as it is.", low=0, high=200
    )


def reconstruct(problem: Problem, parameters: DDSParameters) -> Tensor:
    """DDS in 1/mm, on any geometry and any number of slices."""
    prior = problem.prior
    if prior is None:
        raise ValueError("prior: method dds needs a prior")
    spacing = math.sqrt(problem.grid.spacing[1] * problem.grid.spacing[2])
    for text in prior.gate(spacing):
        problem.monitor.warn(text)
    scale, window = problem.projections.scale, prior.info.window
    # One unit of the prior's range in 1/mm.
    unit = float(scale.to_mu(window.high) - scale.to_mu(window.low))

    def to_mu(x: Tensor) -> Tensor:
        return scale.to_mu(window.denormalise(x))

    def to_prior(mu: Tensor) -> Tensor:
        return window.normalise(scale.to_hu(mu))

    with problem.monitor.timed("projector"):
        start = to_prior(problem.operator.fbp(problem.projections.data, "hann")).clamp(0.0, 1.0)
        consistency = ConjugateGradientConsistency.of(
            problem.operator, problem.projections, parameters.cg_iterations
        )

    def agree(x0: Tensor, sigma: float) -> Tensor:
        tau = unit * prior.expected_error(sigma) / math.sqrt(max(parameters.trust, 1e-9))
        return to_prior(consistency(to_mu(x0), tau))

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
            x0 = agree(x0, parameters.sigma_end)
    return to_mu(x0)


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
