"""Linear interpolation between the centres of the thick slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.schema import parameter
from ...methods.registry import SUPERRESOLUTION, Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from ..stack import ThickStack


@dataclass(frozen=True)
class LinearParameters:
    """Parameters of linear interpolation."""

    consistent: bool = parameter(
        False, "Make the means over each thick slice what was measured, instead of the values at its centre."
    )


def run(stack: ThickStack, parameters: LinearParameters) -> Tensor:
    """Linear interpolation, in the working range."""
    from ..interpolation import interpolate

    return interpolate(stack.thick, stack.operator, 1, parameters.consistent)


LINEAR = register(
    Method(
        task=SUPERRESOLUTION,
        name="linear",
        title="Linear interpolation",
        summary="Straight lines between the centres of the thick slices: what every viewer does.",
        source="textbook",
        parameters=LinearParameters,
        run=run,
    )
)
