"""Total variation as a method: the classical opponent of every learned one.

Penalised weighted least squares: min over x >= 0 of 1/2 ||A x - y||_W^2 + lambda TV(x), W = 1 / variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .registry import Method, register
from .work import CONVERGED, Work

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem

# All tuned on the validation volumes, docs/notes/tv.md.
# lambda, a number, is the strength over the typical attenuation, both in 1/mm (about 0.02 for a patient). The noise
# level is in it already, because W is in the objective. The best strength grows with the number of views.
STRENGTH = 2.5
STRENGTH_VIEWS = 30
# Slices solved at once; bounds the memory that a long stack takes.
BLOCK = 64


@dataclass(frozen=True)
class TVParameters:
    """Parameters of total variation."""

    strength: float | None = parameter(
        None,
        "Weight of the total variation against data of known or estimated noise; larger is smoother. Automatic: "
        f"{STRENGTH} for {STRENGTH_VIEWS} views, growing with the square root of their number.",
        unit="1/mm",
        low=0.0,
        high=1e6,
    )
    discrepancy: float | None = parameter(
        None,
        "Adjust the strength until the mean squared residual is this times the noise variance (discrepancy "
        "principle). Needs a measurement of known variance; 30 views of a patient fit best at 0.4 to 0.7.",
        low=0.01,
        high=100.0,
    )
    z_weight: float = parameter(
        0.0,
        "Weight of variation between slices relative to that within them; 0 reconstructs every slice alone.",
        low=0.0,
        high=100.0,
    )
    iterations: int = parameter(
        400, "At most so many iterations; a slice that has converged stops earlier.", low=1, high=100000
    )
    tolerance: float = parameter(
        5e-5, "A slice has converged when an iteration changes it by less than this share.", low=0.0, high=0.1
    )
    nonnegative: bool = parameter(True, "Allow no negative attenuation (below -1000 HU).")


def reconstruct(problem: Problem, parameters: TVParameters) -> Tensor:
    """Total variation in 1/mm, started from FBP.

    Raises:
        ValueError: a variance that is not positive, or none where the discrepancy is to decide.
    """
    import torch

    from ..solvers.tv import total_variation
    from ..solvers.tv_objective import TVObjective
    from .families.raydata import assumed_weights, data_and_weights, typical
    from .families.timed import TimedOperator

    operator, monitor = TimedOperator(problem.operator, problem.monitor), problem.monitor
    data, known = data_and_weights(problem)
    weights = known
    if weights is None:
        if parameters.discrepancy is not None:
            raise ValueError("methods.tv.discrepancy: the variance of these projections is not known")
        weights = assumed_weights(data, problem.projections.noise_free, operator.geometry.is_stack)
    objective = TVObjective(operator, data, weights, parameters.z_weight, parameters.nonnegative)
    # Dead pixels keep what the reader put there from their neighbours: better for a start than nothing.
    image = operator.fbp(torch.nan_to_num(problem.projections.data, posinf=0.0, neginf=0.0), "hann")
    strength = parameters.strength
    if strength is None:
        strength = STRENGTH * math.sqrt(operator.geometry.views / STRENGTH_VIEWS)
    lambdas = strength / typical(image.clamp(min=0.0), objective.batch_dims)
    count = image.shape[0]
    block = count if objective.coupled else BLOCK
    total = math.ceil(count / block) * parameters.iterations
    for first in range(0, count, block):
        part = slice(first, min(first + block, count))
        done = first // block * parameters.iterations

        def report(step: int, current: Tensor, part: slice = part, done: int = done) -> None:
            image[part] = current
            monitor.step("tv", done + step, total, image)

        result = total_variation(
            objective if objective.coupled else objective.part(part),
            image[part].clone(),
            lambdas.flatten() if objective.coupled else lambdas.flatten()[part],
            parameters.iterations,
            parameters.tolerance,
            parameters.discrepancy,
            report,
        )
        image[part] = result.image
    return image


def work(parameters: TVParameters) -> Work:
    """One pair an iteration, of which a slice that converges needs only a part."""
    share = CONVERGED if parameters.tolerance > 0.0 else 1.0
    return Work(parameters.iterations * share + 0.5)


TV = register(
    Method(
        name="tv",
        title="TV",
        summary="Total variation with statistical weights: sharp edges and flat regions; the best classical method.",
        source="Sidky & Pan 2008, doi:10.1088/0031-9155/53/17/021; solved as in Chambolle & Pock 2011, "
        "doi:10.1007/s10851-010-0251-1",
        parameters=TVParameters,
        run=reconstruct,
        work=work,
    )
)
