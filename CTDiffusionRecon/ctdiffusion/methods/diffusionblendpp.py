"""DiffusionBlend++ (Song et al., NeurIPS 2024, arXiv:2406.10211): a joint prior of slice triplets over the volume.

Each level divides the volume into triplets, adjacent and three slices apart in turn, at a random offset, and denoises
each triplet at once: a third of the network evaluations of a slice-wise sampler. Built on the released LIDC script; the
AAPM one starts from the truth and throws its data consistency away. Any number of slices works, not only
multiples of nine, and all triplets of a level are evaluated in batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from ..parameters import parameter
from ..samplers.slice_policy import blended_triplets
from .image_sampling import AS_PUBLISHED, GradientParameters, conjugate_gradients, reconstruct
from .registry import Method, Problem, register


@dataclass(frozen=True)
class DiffusionBlendPPParameters(GradientParameters):
    """Parameters of DiffusionBlend++."""

    steps: int = parameter(
        80, "Noise levels; each costs one network evaluation for every three slices.", low=1, high=1000
    )


def run(problem: Problem, parameters: DiffusionBlendPPParameters) -> Tensor:
    """DiffusionBlend++ in 1/mm; see `image_sampling.reconstruct`."""
    noise = problem.noise
    triplets = partial(blended_triplets, seed=noise.seed, first_slice=noise.first_slice)
    return reconstruct(problem, parameters, conjugate_gradients(parameters), triplets)


DIFFUSION_BLEND_PP = register(
    Method(
        name="diffusionblend++",
        title="DiffusionBlend++",
        summary="A joint prior of slice triplets, adjacent and three apart in turn; a third of the evaluations.",
        source="Song et al. 2024 (NeurIPS), arXiv:2406.10211",
        parameters=DiffusionBlendPPParameters,
        run=run,
        needs_prior=True,
        evaluations=1.0 / 3.0,
        presets={
            "limited-angle": {"steps": 160},
            "published": {**AS_PUBLISHED, "steps": 200, "cg_iterations": 5},
        },
    )
)
