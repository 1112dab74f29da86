"""DDS: decomposed diffusion sampling (Chung, Lee and Ye, ICLR 2024, arXiv:2303.05754).

    x = FBP(y) + sigma_1 z
    for every noise level sigma, the next one being sigma':                      samplers/steps/dds.py
        x0 = D(x, sigma)                                                         Tweedie estimate of the prior
        eps = (x - x0) / sigma
        x0 = CG on (A' W A + I / tau^2) mu = A' W y + x0 / tau^2, from x0        `cg_iterations`, `trust`
        x = x0 + sigma' (sqrt(1 - eta^2) eps + eta z)                            `eta`
    D(x0, sigma_end), and `final_cg` steps as above

W are the weights of the measurement's noise and tau is the prior's expected error at the level. Three things differ
from the released code: it starts from re-noised FBP instead of pure noise, which saves most of the evaluations; where
the noise of the measurement is known, the CG steps weigh the data by it (W) and the prior's estimate by its measured
accuracy (tau); and a final denoising is followed by a last agreement with the data. The preset `published` switches the
weights and the last agreement off and starts from the prior's highest level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .families.image_parameters import AS_IN_ISCS, AS_PUBLISHED, THOROUGH, GradientParameters, gradient_work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


def run(problem: Problem, parameters: GradientParameters) -> Tensor:
    """DDS in 1/mm."""
    from .families.image_data import conjugate_gradients
    from .families.images import chosen_step, reconstruct

    return reconstruct(problem, parameters, chosen_step(problem, parameters), conjugate_gradients(parameters))


DDS = register(
    Method(
        name="dds",
        title="DDS",
        summary="Decomposed diffusion sampling: a trained 2-D prior and conjugate gradients take turns from FBP on.",
        source="Chung, Lee & Ye 2024 (ICLR), arXiv:2303.05754",
        parameters=GradientParameters,
        run=run,
        work=gradient_work,
        needs_prior=True,
        presets={
            **THOROUGH,
            "published": {**AS_PUBLISHED, "steps": 50, "cg_iterations": 5},
            "iscs": AS_IN_ISCS,
        },
    )
)
