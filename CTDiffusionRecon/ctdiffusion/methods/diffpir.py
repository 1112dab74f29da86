"""DiffPIR: plug-and-play restoration by diffusion (Zhu et al., CVPRW 2023, arXiv:2305.08995).

    x = FBP(y) + sigma_1 z
    for every noise level sigma, the next one being sigma':                      samplers/steps/diffpir.py
        x0 = D(x, sigma)                                                         Tweedie estimate of the prior
        x0 = CG on (A' W A + I / tau^2) mu = A' W y + x0 / tau^2, from x0        `cg_iterations`, `trust`
        eps = (x - x0) / sigma                                                   after the data have had their say
        x = x0 + sigma' (sqrt(1 - zeta) eps + sqrt(zeta) z)                      `zeta`
    D(x0, sigma_end), and `final_cg` steps as above

DDS takes eps before the data step. What `transition=diffpir` was in version 1 is DDS with eta = sqrt(zeta).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .families.image_parameters import AS_PUBLISHED, THOROUGH, ConjugateGradientParameters, gradient_work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class DiffPIRParameters(ConjugateGradientParameters):
    """Parameters of DiffPIR."""

    zeta: float = parameter(
        0.8, "Share of the noise's variance that is fresh at each level: 0 deterministic, 1 all new.", low=0.0, high=1.0
    )
    order: int = parameter(
        1,
        "Order of the step: 1 as published, or 2 (DPM-Solver++(2M)), which extrapolates the estimate from this level "
        "and the one before, at no cost.",
        low=1,
        high=2,
    )


def run(problem: Problem, parameters: DiffPIRParameters) -> Tensor:
    """DiffPIR in 1/mm."""
    from ..samplers.steps.diffpir import diffpir
    from ..samplers.steps.dpm_solver import dpm_solver
    from .families.image_data import conjugate_gradients
    from .families.images import reconstruct

    share = math.sqrt(parameters.zeta)
    step = diffpir(parameters.zeta) if parameters.order == 1 else dpm_solver(lambda level: share)
    return reconstruct(problem, parameters, step, conjugate_gradients(parameters))


DIFFPIR = register(
    Method(
        name="diffpir",
        title="DiffPIR",
        summary="Plug-and-play restoration: the noise of the next level follows from the estimate after the data step.",
        source="Zhu et al. 2023 (CVPRW), arXiv:2305.08995",
        parameters=DiffPIRParameters,
        run=run,
        work=gradient_work,
        needs_prior=True,
        presets={
            **THOROUGH,
            "second-order": {"order": 2},
            "published": {**AS_PUBLISHED, "steps": 100, "zeta": 0.3, "cg_iterations": 50},
        },
    )
)
