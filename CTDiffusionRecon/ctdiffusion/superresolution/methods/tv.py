"""Total variation: of all thin slices that reproduce the thick ones exactly, those of least variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.schema import parameter
from ...methods.registry import SUPERRESOLUTION, Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from ..stack import ThickStack


@dataclass(frozen=True)
class TVParameters:
    """Parameters of total variation."""

    z_weight: float = parameter(
        0.5, "Weight of variation between slices relative to that within them, per mm.", low=0.01, high=100.0
    )
    iterations: int = parameter(150, "Primal-dual iterations.", low=1, high=10_000)
    step: float = parameter(
        0.03, "Length of the image's steps relative to the working range; decides the speed alone.", low=1e-4, high=10.0
    )


def run(stack: ThickStack, parameters: TVParameters) -> Tensor:
    """min TV(x) subject to A x = y, in the working range; started from the consistent B-spline.

    The projection onto the constraint, x + A+ (y - A x), is exact, so no weight has to be chosen.

    Source: Chambolle & Pock 2011, doi:10.1007/s10851-010-0251-1, algorithm 1.
    """
    import torch

    from ...solvers.gradient import gradient, gradient_transpose
    from ..interpolation import interpolate

    operator, y, monitor = stack.operator, stack.thick, stack.monitor
    dz, dy, dx = stack.spacing
    # In units of the in-plane pixel, in which the gradient's norm is known; z_weight shortens z.
    pixel = min(dy, dx)
    spacing = (dz / pixel / parameters.z_weight, dy / pixel, dx / pixel)
    norm2 = 4.0 * sum(1.0 / s**2 for s in spacing)
    tau = parameters.step
    sigma = 0.99 / (tau * norm2)
    x = interpolate(y, operator, 3, True)
    p = torch.zeros((3, *x.shape), device=x.device)
    ahead = x
    for step in range(parameters.iterations):
        with monitor.timed("projector"):
            p.add_(gradient(ahead, spacing, True), alpha=sigma)
            length = (p[0] * p[0]).addcmul_(p[1], p[1]).addcmul_(p[2], p[2]).sqrt_().clamp_(min=1.0)
            p /= length
            new = x - tau * gradient_transpose(p, spacing)
            new = new + operator.pseudo_inverse(y - operator.forward(new))
            ahead = 2.0 * new - x
            x = new
        monitor.step("tv", step + 1, parameters.iterations, stack.preview(x))
    return x


TV = register(
    Method(
        task=SUPERRESOLUTION,
        name="tv",
        title="TV",
        summary="The thin slices of least total variation among those that reproduce the thick ones.",
        source="Chambolle & Pock 2011, doi:10.1007/s10851-010-0251-1",
        parameters=TVParameters,
        run=run,
    )
)
