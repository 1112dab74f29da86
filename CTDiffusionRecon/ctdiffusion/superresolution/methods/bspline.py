"""Cubic B-spline interpolation between the thick slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.schema import parameter
from ...methods.registry import SUPERRESOLUTION, Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from ..stack import ThickStack


@dataclass(frozen=True)
class BSplineParameters:
    """Parameters of B-spline interpolation."""

    consistent: bool = parameter(
        False, "Make the means over each thick slice what was measured, instead of the values at its centre."
    )


def run(stack: ThickStack, parameters: BSplineParameters) -> Tensor:
    """Cubic B-spline interpolation, in the working range."""
    from ..interpolation import interpolate

    return interpolate(stack.thick, stack.operator, 3, parameters.consistent)


BSPLINE = register(
    Method(
        task=SUPERRESOLUTION,
        name="bspline",
        title="B-spline interpolation",
        summary="Cubic splines through the thick slices, or, on request, through their means.",
        source="Unser 1999, doi:10.1109/79.799930",
        parameters=BSplineParameters,
        run=run,
    )
)
