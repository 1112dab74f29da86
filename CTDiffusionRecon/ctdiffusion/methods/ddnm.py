"""DDNM: the denoising diffusion null-space model (Wang, Yu and Zhang, ICLR 2023, arXiv:2212.00490), for CT as in ISCS.

    x = FBP(y) + sigma_1 z
    for every noise level sigma, the next one being sigma':                      samplers/steps/ddnm.py
        x0 = D(x, sigma)                                                         Tweedie estimate of the prior
        eps = (x - x0) / sigma
        x0 = x0 + A+ (y - A x0)                                                  `sirt_iterations`
        x = x0 + sigma' (sqrt(1 - b^2) eps + b z)                                b = `eta`, or as `transition` says
    D(x0, sigma_end), and `final_cg` conjugate-gradient steps towards the data

The prior fills what the measurement does not see; what it sees comes from the data, through SIRT as the
pseudo-inverse. The released CT code projects the true volume again for its baselines and its start, and so sees data
without noise; here the start and every step see the measurement alone. The preset `iscs` has the paper's thirty levels
and inter-slice consistent noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .families.image_parameters import AS_IN_ISCS, AS_PUBLISHED, THOROUGH, SamplingParameters, work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class DDNMParameters(SamplingParameters):
    """Parameters of DDNM."""

    sirt_iterations: int = parameter(
        10, "SIRT iterations of the pseudo-inverse; more follow the data, and their noise, closer.", low=1, high=1000
    )


def run(problem: Problem, parameters: DDNMParameters) -> Tensor:
    """DDNM in 1/mm."""
    from ..samplers.steps.ddnm import ddnm
    from .families.image_data import null_space
    from .families.images import chosen_noise, reconstruct

    step = ddnm(chosen_noise(problem, parameters))
    return reconstruct(problem, parameters, step, null_space(parameters.sirt_iterations))


DDNM = register(
    Method(
        name="ddnm",
        title="DDNM",
        summary="Null-space diffusion: the data fix what they see, the prior fills the rest.",
        source="Wang, Yu & Zhang 2023 (ICLR), arXiv:2212.00490",
        parameters=DDNMParameters,
        run=run,
        work=lambda parameters: work(parameters, parameters.sirt_iterations),
        needs_prior=True,
        presets={
            **THOROUGH,
            "iscs": {**AS_IN_ISCS, "sirt_iterations": 100},
            "published": {**AS_PUBLISHED, "steps": 30, "transition": "renew", "sirt_iterations": 100},
        },
    )
)
