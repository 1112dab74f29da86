"""DDS: decomposed diffusion sampling (Chung, Lee and Ye, ICLR 2024, arXiv:2303.05754).

Every noise level takes one Tweedie estimate from the prior, a few conjugate-gradient steps towards the measurement
and one DDIM step. Three things differ from the released code: it starts from re-noised FBP instead of pure noise,
which saves most of the evaluations; where the noise of the measurement is known, the CG steps weigh the data by it
and the prior's estimate by its measured accuracy; and a final denoising is followed by a last agreement with the data.
The preset `published` switches the weights and the last agreement off and starts from the prior's highest level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .families.image_parameters import AS_IN_ISCS, AS_PUBLISHED, THOROUGH, GradientParameters, gradient_work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


def run(problem: Problem, parameters: GradientParameters) -> Tensor:
    """DDS in 1/mm; see `image_sampling.reconstruct`."""
    from .families.images import conjugate_gradients, reconstruct

    return reconstruct(problem, parameters, conjugate_gradients(parameters))


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
