"""Compile every kernel once, so that the first reconstruction need not: `python -m ctdiffusion.compilation`."""

from __future__ import annotations

import math
import time

import torch

from .operators.compiled import has_numba
from .operators.factory import make_operator
from .priors.winograd.layer import WinogradConv2d, accelerate
from .scan.beams import ConeBeam, FanBeam, Grid, equispaced


def compile_kernels() -> None:
    """Run projectors, filtered back-projections and a convolution on something tiny; numba keeps the machine code."""
    if not has_numba():
        return
    grid = Grid((2, 8, 8), (1.0, 1.0, 1.0))
    views = equispaced(3, 2.0 * math.pi)
    fan = FanBeam(views, 40.0, 80.0, 12, 2.0)
    for operator in (
        make_operator(fan, grid, backend="csr"),
        make_operator(fan, grid, backend="matrixfree"),
        make_operator(ConeBeam(views, 40.0, 80.0, 4, 12, 2.0, 2.0), grid),
    ):
        data = operator.forward(torch.ones(grid.shape))
        operator.adjoint(data)
        operator.fbp(data)
    network = torch.nn.Sequential(torch.nn.Conv2d(32, 32, 3, padding=1))
    accelerate(network)
    layer = network[0]
    assert isinstance(layer, WinogradConv2d)
    with torch.inference_mode():
        layer(torch.zeros(1, 32, 16, 16))


if __name__ == "__main__":
    started = time.monotonic()
    compile_kernels()
    print(f"kernels compiled in {time.monotonic() - started:.0f} s")
