"""
A method of your own
====================

A method is a frozen dataclass of parameters, a function, and one call that registers it. Then it is a method like any
other: in Python, on the command line, in job files and in the panel.
"""

# %%
# Landweber's iteration, as an example: x <- x + step A'(y - A x). The function gets a
# :class:`~ctdiffusion.methods.problem.Problem` with the measurement, the projector, the grid, noise, and a monitor. It
# does not get the true image; there is no place for it.

from dataclasses import dataclass

import ctdiffusion as ct
import torch
from ctdiffusion.core.schema import parameter
from ctdiffusion.methods.problem import Problem
from ctdiffusion.methods.registry import Method, register
from ctdiffusion.methods.work import Work
from ctdiffusion.studies.demo import sample_path


@dataclass(frozen=True)
class LandweberParameters:
    """Parameters of Landweber's iteration."""

    iterations: int = parameter(60, "Iterations; more are sharper and noisier.", low=1, high=10_000)
    relaxation: float = parameter(1.0, "Step length; 2 would diverge.", low=0.01, high=1.99)


def landweber(problem: Problem, parameters: LandweberParameters) -> torch.Tensor:
    """Landweber's iteration from an empty image `[slice, row, column]`, in 1/mm."""
    operator, y = problem.operator, problem.projections.data
    x = torch.zeros(problem.grid.shape)
    # The largest eigenvalue of A'A, by the power method, bounds the step.
    v = torch.ones_like(x)
    for _ in range(10):
        v = operator.adjoint(operator.forward(v / v.norm()))
    step = parameters.relaxation / float(v.norm())
    for k in range(parameters.iterations):
        x = (x + step * operator.adjoint(y - operator.forward(x))).clamp(min=0.0)
        problem.monitor.step("landweber", k + 1, parameters.iterations, x)
    return x


register(
    Method(
        name="landweber",
        title="Landweber",
        summary="Gradient steps on the misfit from an empty image.",
        source="Landweber 1951, doi:10.2307/2372313",
        parameters=LandweberParameters,
        run=landweber,
        work=lambda parameters: Work(parameters.iterations + 10.0),
    )
)

# %%
# It is used by its name, and its parameters are options. A value out of range, or an option that does not exist, is
# refused in one line.

chest = ct.read_volume(sample_path())
dx, dy, dz = chest.spacing
volume = ct.Volume(chest.array[30:32, ::2, ::2].copy(), (2 * dx, 2 * dy, dz))
results = ct.compare(volume, ["fbp", "landweber", "sirt"], views=60, iterations=60)
for name, result in results.items():
    print(f"{name:9} PSNR {result.metrics['psnr_axial']:5.2f} dB   misfit {result.misfit['relative']:.4f}")

try:
    ct.reconstruct(volume, "landweber", views=60, relaxation=3.0)
except ValueError as error:
    print("refused:", error)

# %%
# As a plug-in
# ------------
#
# In a package of your own, the module that calls ``register`` is named as an entry point, and every installed copy of
# the engine finds it:
#
# .. code-block:: toml
#
#    [project.entry-points."ctdiffusion.methods"]
#    landweber = "my_package.landweber"
#
# A plug-in that cannot be imported is left out with one line in the log; the other methods work on.
