"""The last agreement: conjugate gradients from a method's image towards the data, with known noise weighed by it.

None of the learned systems has it; their last image is the network's own or the FBP of a completed sinogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.schema import parameter

if TYPE_CHECKING:
    from torch import Tensor

    from ..problem import Problem


@dataclass(frozen=True)
class AgreementParameters:
    """The last agreement with the data."""

    final_cg: int = parameter(
        0, "Conjugate-gradient steps towards the data after the network; 0 leaves its image as it is.", low=0, high=200
    )
    final_error: float = parameter(
        30.0,
        "With known noise: error of the network's image that these steps assume. Smaller follows the network, larger "
        "the data.",
        unit="HU",
        low=0.1,
        high=1000.0,
    )
    model_error: float = parameter(
        0.01,
        "With known noise: the projector's own error in a line integral, added to the noise of the data.",
        low=0.0,
        high=10.0,
    )


def agreed(problem: Problem, mu: Tensor, parameters: AgreementParameters) -> Tensor:
    """An image in 1/mm `[slice, row, column]` after the last conjugate-gradient steps towards the data."""
    if not parameters.final_cg:
        return mu
    from ...samplers.consistency import ConjugateGradientConsistency

    error = problem.projections.scale.mu_water * parameters.final_error / 1000.0
    with problem.monitor.timed("projector"):
        consistency = ConjugateGradientConsistency.of(
            problem.operator, problem.projections, parameters.final_cg, parameters.model_error
        )
        return consistency(mu, error)
