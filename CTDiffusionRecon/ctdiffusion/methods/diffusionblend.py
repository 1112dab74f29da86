"""DiffusionBlend (Song et al., NeurIPS 2024, arXiv:2406.10211): every slice is denoised with its two neighbours.

The published code of this variant is incomplete; this follows the paper, with three slices in and the middle one out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .families.image_parameters import AS_PUBLISHED, THOROUGH, GradientParameters, gradient_work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


def run(problem: Problem, parameters: GradientParameters) -> Tensor:
    """DiffusionBlend in 1/mm: as `dds`, with the prior laid over neighbours."""
    from ..samplers.slice_policy import neighbourhood
    from .families.image_data import conjugate_gradients
    from .families.images import chosen_step, reconstruct

    if problem.grid.shape[0] < 3:
        problem.monitor.warn("fewer than three slices have no neighbours on both sides: each is denoised on its own")
    step = chosen_step(problem, parameters)
    return reconstruct(problem, parameters, step, conjugate_gradients(parameters), neighbourhood)


DIFFUSION_BLEND = register(
    Method(
        name="diffusionblend",
        title="DiffusionBlend",
        summary="A prior of three adjacent slices gives every slice from its neighbourhood.",
        source="Song et al. 2024 (NeurIPS), arXiv:2406.10211",
        parameters=GradientParameters,
        run=run,
        work=gradient_work,
        needs_prior=True,
        presets={**THOROUGH, "published": {**AS_PUBLISHED, "steps": 200, "cg_iterations": 5}},
    )
)
