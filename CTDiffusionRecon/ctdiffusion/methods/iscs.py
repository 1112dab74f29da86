"""ISCS: inter-slice consistent stochasticity (arXiv:2602.04162) on DDS.

A 2-D prior reconstructs each slice on its own, and independent noise in every step makes neighbouring slices take
different decisions. Here the fresh noise turns slowly from slice to slice, which costs nothing. The released demo
leaves it switched off, changes its noise with the slice range and has no seed; here noise is a function of the
absolute slice (with `noise_length` 0, as published, of the slice among those that are reconstructed). The preset
`published` has the paper's settings for cone-beam CT: 30 levels from FDK at sigma 5, all noise renewed at each, 10
unweighted CG steps, one arc over the volume. Methods `dds`, `ddnm` and `dds-tv` have it as preset `iscs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from ..samplers.choices import POLICIES
from .families.image_parameters import AS_IN_ISCS, THOROUGH, GradientParameters, gradient_work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class ISCSParameters(GradientParameters):
    """Parameters of ISCS."""

    noise_policy: str = parameter(
        "inter-slice",
        "Fresh noise of neighbouring slices: turning slowly from slice to slice (inter-slice), the same in all "
        "(shared), or independent.",
        choices=POLICIES,
    )


def run(problem: Problem, parameters: ISCSParameters) -> Tensor:
    """ISCS in 1/mm: as `dds`, with another noise."""
    from .families.image_data import conjugate_gradients
    from .families.images import chosen_step, reconstruct

    return reconstruct(problem, parameters, chosen_step(problem, parameters), conjugate_gradients(parameters))


ISCS = register(
    Method(
        name="iscs",
        title="ISCS",
        summary="DDS whose noise turns slowly from slice to slice, so that neighbouring slices agree, at no cost.",
        source="ISCS 2026, arXiv:2602.04162",
        parameters=ISCSParameters,
        run=run,
        work=gradient_work,
        needs_prior=True,
        presets={
            **THOROUGH,
            "published": AS_IN_ISCS,
        },
    )
)
