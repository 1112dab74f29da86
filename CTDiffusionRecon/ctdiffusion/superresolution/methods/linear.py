"""Linear interpolation between the centres of the thick slices."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...core.parameters import parameter
from ..interpolation import interpolate
from ..registry import SliceMethod, ThickStack, register


@dataclass(frozen=True)
class LinearParameters:
    """Parameters of linear interpolation."""

    consistent: bool = parameter(
        False, "Make the means over each thick slice what was measured, instead of the values at its centre."
    )


def run(stack: ThickStack, parameters: LinearParameters) -> Tensor:
    """Linear interpolation, in the working range."""
    return interpolate(stack.thick, stack.operator, 1, parameters.consistent)


LINEAR = register(
    SliceMethod(
        name="linear",
        title="Linear interpolation",
        summary="Straight lines between the centres of the thick slices: what every viewer does.",
        source="textbook",
        parameters=LinearParameters,
        run=run,
    )
)
