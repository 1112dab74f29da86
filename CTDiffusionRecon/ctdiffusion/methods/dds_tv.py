"""DDS+TV: DDS whose data consistency is an ADMM step with total variation along z (DiffusionMBIR).

Total variation along z binds the slices, which the 2-D prior treats apart. The released code wraps the volume around in
z, so that its top slice is smoothed towards its bottom one, and has one weight for all noise levels; here the ends
are free and the weight follows the prior's error at each level. The preset `iscs` is ISCS's setting with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .families.image_parameters import AS_IN_ISCS, AS_PUBLISHED, THOROUGH, GradientParameters, gradient_work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class DDSTVParameters(GradientParameters):
    """Parameters of DDS+TV."""

    tv: float = parameter(
        0.1,
        "Strength of total variation: differences below this multiple of the prior's error are smoothed.",
        low=0.0,
        high=100.0,
    )


def run(problem: Problem, parameters: DDSTVParameters) -> Tensor:
    """DDS+TV in 1/mm: as `dds`, with total variation in its data consistency."""
    from .families.image_data import conjugate_gradients
    from .families.images import chosen_step, reconstruct

    return reconstruct(problem, parameters, chosen_step(problem, parameters), conjugate_gradients(parameters))


DDS_TV = register(
    Method(
        name="dds-tv",
        title="DDS+TV",
        summary="DDS with total variation along z (DiffusionMBIR) in its data consistency, by ADMM.",
        source="Chung et al. 2023 (CVPR), arXiv:2211.10655; Chung, Lee & Ye 2024, arXiv:2303.05754",
        parameters=DDSTVParameters,
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
