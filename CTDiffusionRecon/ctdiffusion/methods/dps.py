"""DPS: diffusion posterior sampling (Chung et al., ICLR 2023, arXiv:2209.14687).

    x = FBP(y) + sigma_1 z
    for every noise level sigma, the next one being sigma':                      samplers/steps/dps.py
        x0 = D(x, sigma)                                                         Tweedie estimate of the prior
        eps = (x - x0) / sigma
        g = (dD / dx)' B (A x0 - y) / L                                          back through operator and network
        x0 = x0 - length g                                                       `length`
        x = x0 + sigma' (sqrt(1 - b^2) eps + b z)                                b = `eta`, or as `transition` says
    D(x0, sigma_end), and `final_cg` conjugate-gradient steps towards the data

Nothing is solved for at a level: the data act through one gradient, which costs two more evaluations. B is A' as
published, or filtered back-projection, for which tens of levels do instead of many hundreds. L is the largest
curvature of the misfit: the published step is a number, to be tuned for every scanner, divided by the norm of the
residual; here a length below 2 does not overshoot, whatever the scanner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .families.image_parameters import AS_PUBLISHED, THOROUGH, SamplingParameters
from .registry import Method, register
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class DPSParameters(SamplingParameters):
    """Parameters of DPS."""

    length: float = parameter(
        1.8,
        "Step down the misfit at each level, in units of its inverse largest curvature; it overshoots from 2 on.",
        low=0.0,
        high=2.0,
    )
    filtered: bool = parameter(
        True, "Back-project the residual with the filter of FBP. As published it is not, and needs many more levels."
    )


def run(problem: Problem, parameters: DPSParameters) -> Tensor:
    """DPS in 1/mm."""
    from ..samplers.steps.dps import dps
    from .families.image_data import misfit_gradient
    from .families.images import chosen_noise, reconstruct

    step = dps(parameters.length, chosen_noise(problem, parameters))
    return reconstruct(problem, parameters, step, misfit_gradient(parameters.filtered))


def work(parameters: DPSParameters) -> Work:
    """One gradient a level; the pass back through the network counts as two evaluations beside its own."""
    pairs = parameters.steps + 24.0 + parameters.final_cg + 1.5
    return Work(pairs, 4.0 * parameters.steps + 1.0, parameters.grid)


DPS = register(
    Method(
        name="dps",
        title="DPS",
        summary="Diffusion posterior sampling: a gradient through projector and network draws the samples to the data.",
        source="Chung et al. 2023 (ICLR), arXiv:2209.14687",
        parameters=DPSParameters,
        run=run,
        work=work,
        needs_prior=True,
        presets={
            **THOROUGH,
            "published": {**AS_PUBLISHED, "steps": 1000, "filtered": False, "transition": "ancestral", "eta": 1.0},
        },
    )
)
