"""ZSR: z super-resolution by diffusion, the MRI part of ISCS (arXiv:2602.04162).

A 2-D prior sees the planes across the thick slices, coronal or sagittal, in which their thickness shows as blur. After
every denoising the thin slices are made to reproduce the measured ones exactly, and the noise of a step turns slowly
from plane to plane. The released code takes one plane direction and a volume whose sides are 256 columns, normalises by
the extremes, and leaves voxel sizes out; here any size, factor and slice profile will do, and thin slices keep their
place in the patient. The preset `published` has the paper's five evaluations from noise level 5 in coronal planes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.schema import parameter
from ...methods.registry import SUPERRESOLUTION, Method, register
from ...samplers.choices import POLICIES, TRANSITIONS
from ..choices import PLANES, STACKS

if TYPE_CHECKING:
    from torch import Tensor

    from ..stack import ThickStack


@dataclass(frozen=True)
class ZSRParameters:
    """Parameters of ZSR. Noise levels are in the prior's range; 1 is its window's width."""

    steps: int = parameter(12, "Noise levels; each costs one evaluation of the prior per plane.", low=1, high=1000)
    sigma_start: float = parameter(
        0.3, "Noise added to the interpolated slices. Higher forgets more of their blur.", low=0.002, high=5.0
    )
    sigma_end: float = parameter(0.02, "Last noise level.", low=0.002, high=1.0)
    planes: str = parameter(
        "alternating",
        "Planes that the prior works on: coronal, sagittal, or one after the other from step to step.",
        choices=(*PLANES, "alternating"),
    )
    stacks: str = parameter(
        "single",
        "How the prior is laid over the planes: one by one, each between its two neighbours, or in disjoint triplets, "
        "which costs a third.",
        choices=STACKS,
    )
    transition: str = parameter(
        "renew",
        "How the next noise level is reached: with all noise fresh (renew, as published), a fixed share of it (dds), "
        "or as the diffusion itself would (ancestral). diffpir: what version 1 called so, dds with the root of eta.",
        choices=TRANSITIONS,
    )
    eta: float = parameter(
        0.5, "Share of fresh noise in a transition that has one: 0 deterministic, 1 all it allows.", low=0.0, high=1.0
    )
    noise_policy: str = parameter(
        "independent",
        "Fresh noise of neighbouring planes: independent, turning slowly from plane to plane (inter-slice, ISCS), or "
        "the same in all (shared).",
        choices=POLICIES,
    )
    noise_length: int = parameter(
        0,
        "Planes over which inter-slice noise turns into an independent draw; 0: all, as published.",
        low=0,
        high=10_000,
    )
    noise: float = parameter(
        0.0,
        "Standard deviation of the noise in the thick slices, in HU (MR: per mille of the robust maximum). 0 "
        "reproduces them exactly; more allows deviations of that size.",
        low=0.0,
        high=1000.0,
    )


def run(stack: ThickStack, parameters: ZSRParameters) -> Tensor:
    """ZSR in the working range.

    Raises:
        ValueError: there is no prior.
        FloatingPointError: the thick slices or the prior led to values that are not finite.
    """
    from ...samplers.context import Context, DataTerm
    from ...samplers.loop import sample
    from ...samplers.schedule import geometric
    from ...samplers.transition import former_transition, step_named
    from ..interpolation import interpolate
    from ..planes import PlaneNoise, across_slices, direction_named, plane_warnings

    prior, operator, y = stack.prior, stack.operator, stack.thick
    if prior is None:
        raise ValueError("prior: method zsr needs a prior")
    planes = direction_named(parameters.planes)
    noise_level = parameters.noise / stack.unit
    for text in plane_warnings(prior, stack.spacing, planes):
        stack.monitor.warn(text)

    def agree(x0: Tensor, sigma: float) -> Tensor:
        rho = (noise_level / prior.expected_error(sigma)) ** 2 if noise_level else 0.0
        return x0 + operator.pseudo_inverse(y - operator.forward(x0), rho)

    for text in former_transition(parameters.transition, parameters.eta):
        stack.monitor.warn(text)
    context = Context(
        across_slices(prior, stack.spacing, planes, parameters.stacks, stack.noise.seed),
        DataTerm(agree),
        PlaneNoise(stack.noise, parameters.noise_policy, parameters.noise_length, planes),
        stack.monitor,
    )
    return sample(
        interpolate(y, operator, 3, True),
        geometric(parameters.sigma_start, parameters.sigma_end, parameters.steps),
        step_named(parameters.transition, parameters.eta),
        context,
        stack.preview,
    )


ZSR = register(
    Method(
        task=SUPERRESOLUTION,
        name="zsr",
        title="ZSR",
        summary="Diffusion on coronal and sagittal planes; the thick slices are reproduced exactly.",
        source="ISCS 2026, arXiv:2602.04162",
        parameters=ZSRParameters,
        run=run,
        needs_prior=True,
        presets={
            "published": {
                "steps": 5, "sigma_start": 5.0, "sigma_end": 0.01, "planes": "coronal", "noise_policy": "inter-slice",
            }
        },
    )
)  # fmt: skip
