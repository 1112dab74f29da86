"""SIRT as a method."""

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
class SIRTParameters:
    """Parameters of SIRT."""

    iterations: int = parameter(100, "Iterations; more are sharper and noisier.", low=1, high=10000)
    relaxation: float = parameter(1.9, "Step length; larger is faster, 2 would diverge.", low=0.01, high=1.99)
    nonnegative: bool = parameter(True, "Set negative attenuation (below -1000 HU) to air in every iteration.")


def reconstruct(problem: Problem, parameters: SIRTParameters) -> Tensor:
    """SIRT from an empty image, in 1/mm. Dead detector pixels are left out; the other rays count alike."""
    from ..solvers.sirt import sirt
    from .families.raydata import data_and_weights, empty_image
    from .families.timed import TimedOperator

    monitor = problem.monitor
    data, weights = data_and_weights(problem)
    return sirt(
        TimedOperator(problem.operator, monitor),
        data,
        empty_image(problem),
        parameters.iterations,
        parameters.relaxation,
        parameters.nonnegative,
        None if weights is None else (weights > 0).to(data.dtype),
        lambda step, image: monitor.step("sirt", step, parameters.iterations, image),
    )


def work(parameters: SIRTParameters) -> Work:
    """One pair an iteration."""
    return Work(parameters.iterations + 0.5)


SIRT = register(
    Method(
        name="sirt",
        title="SIRT",
        summary="Simultaneous iterative reconstruction: smooth, slow, and hard to upset.",
        source="Gilbert 1972, doi:10.1016/0022-5193(72)90180-4; Gregor & Benson 2008, doi:10.1109/TMI.2008.923696",
        parameters=SIRTParameters,
        run=reconstruct,
        work=work,
    )
)
