"""CGLS as a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .registry import Method, register
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class CGLSParameters:
    """Parameters of CGLS."""

    iterations: int = parameter(
        20, "Iterations; they are the regularisation: too many bring the noise back.", low=1, high=1000
    )
    weighted: bool = parameter(
        False, "Weigh every ray by 1 / variance where the noise is known: needs several times the iterations."
    )


def reconstruct(problem: Problem, parameters: CGLSParameters) -> Tensor:
    """CGLS from an empty image, in 1/mm. Dead detector pixels are left out, weighted or not."""
    from ..solvers.cgls import cgls
    from .families.raydata import data_and_weights, empty_image
    from .families.timed import TimedOperator

    monitor = problem.monitor
    data, weights = data_and_weights(problem)
    if weights is not None and not parameters.weighted:
        weights = (weights > 0).to(weights.dtype)
    return cgls(
        TimedOperator(problem.operator, monitor),
        data,
        empty_image(problem),
        parameters.iterations,
        weights,
        lambda step, image: monitor.step("cgls", step, parameters.iterations, image),
    )


def work(parameters: CGLSParameters) -> Work:
    """One pair an iteration."""
    return Work(parameters.iterations + 0.5)


CGLS = register(
    Method(
        name="cgls",
        title="CGLS",
        summary="Conjugate gradients for least squares, stopped early: fast, and noisy if not stopped.",
        source="Hestenes & Stiefel 1952, doi:10.6028/jres.049.044",
        parameters=CGLSParameters,
        run=reconstruct,
        work=work,
    )
)
