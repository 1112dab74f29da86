"""Parameters, presets and work of the image-domain systems; what they do is in `images`, which needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.schema import parameter
from ...samplers.choices import AXES, POLICIES, TRANSITIONS
from ...scan.sampling_grid import CHOICES, FINE_PIXEL, PRIOR_PIXEL
from ..work import Work

# Noise on the starting FBP: with a missing arc that image is no start but a lie, and most of it must go
# (docs/notes/quality-image-domain.md).
SIGMA_START = 0.3
SIGMA_LIMITED = 3.0
LIMITED_DEG = 20
# Preset of the slice-wise systems: twice the default levels, for limited angles, where the way from the start down is
# longer, and for full turns where time does not matter (docs/notes/quality-image-domain.md).
THOROUGH: dict[str, dict[str, Any]] = {"thorough": {"steps": 80}}
# What the papers and their codes share: the start at the prior's highest level, all rays alike, nothing after the end.
AS_PUBLISHED: dict[str, Any] = {"sigma_start": 5.0, "weighted": False, "final_cg": 0, "grid": "input"}
# ISCS's setting for cone beams, for whatever system: thirty levels, all noise fresh at each, one arc over the volume.
AS_IN_ISCS: dict[str, Any] = {
    **AS_PUBLISHED, "steps": 30, "transition": "renew", "noise_policy": "inter-slice", "noise_length": 0
}  # fmt: skip


@dataclass(frozen=True)
class LevelParameters:
    """Parameters of every image-domain sampler. Noise levels are in the prior's range; 1 is its HU window's width."""

    steps: int = parameter(40, "Noise levels; each costs one network evaluation per slice.", low=1, high=1000)
    sigma_start: float | None = parameter(
        None,
        f"Noise added to the starting FBP. Higher forgets more of its streaks. Automatic: {SIGMA_START}, and "
        f"{SIGMA_LIMITED} where gaps in the views leave out more than {LIMITED_DEG} degrees.",
        low=0.01,
        high=5.0,
    )
    sigma_end: float = parameter(0.01, "Last noise level.", low=0.002, high=1.0)
    noise_policy: str = parameter(
        "independent",
        "Fresh noise of neighbouring slices: independent, turning slowly from slice to slice (inter-slice, ISCS), or "
        "the same in all (shared).",
        choices=POLICIES,
    )
    noise_length: int = parameter(
        64,
        "Slices over which inter-slice noise turns into an independent draw; 0: all that are reconstructed, as "
        "published.",
        low=0,
        high=10_000,
    )
    model_error: float = parameter(
        0.01,
        "With known noise, or total variation: the projector's own error in a line integral, added to the noise. Keeps "
        "rays through air from outweighing all others.",
        low=0.0,
        high=10.0,
    )
    weighted: bool = parameter(
        True, "Weigh the data by their noise where it is known. The published systems do not."
    )
    final_cg: int = parameter(
        20, "Conjugate-gradient steps after the final denoising; 0 leaves it as it is.", low=0, high=200
    )
    final_trust: float = parameter(
        0.05,
        "The same as trust for these last steps. Smaller follows the data, and their noise, more closely.",
        low=0.0,
        high=1000.0,
    )
    grid: str = parameter(
        "auto",
        f"Where to sample: on the input's grid, or on pixels of {PRIOR_PIXEL} mm, or the nearest size that the prior "
        f"was trained on. Automatic: the latter for pixels below {FINE_PIXEL} mm, where the prior knows "
        f"{PRIOR_PIXEL} mm. The result lies on the input either way.",
        choices=CHOICES,
    )


@dataclass(frozen=True)
class SamplingParameters(LevelParameters):
    """Parameters of the systems that keep the noise that was found before the data had their say."""

    transition: str = parameter(
        "dds",
        "How the next noise level is reached: with a fixed share of fresh noise (dds), with all noise fresh (renew), "
        "or as the diffusion itself would (ancestral). diffpir: what version 1 called so, dds with the root of eta.",
        choices=TRANSITIONS,
    )
    eta: float = parameter(
        0.85, "Share of fresh noise in each transition: 0 deterministic, 1 all that it allows.", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class ConjugateGradientParameters(LevelParameters):
    """Conjugate-gradient data consistency."""

    cg_iterations: int = parameter(10, "Conjugate-gradient steps of data consistency per level.", low=1, high=200)
    trust: float = parameter(
        0.1,
        "With known noise, or total variation: how strongly the prior's estimate holds against the data. Larger is "
        "smoother.",
        low=0.0,
        high=1000.0,
    )
    tv: float = parameter(
        0.0,
        "Total variation inside data consistency: differences below this multiple of the prior's error are "
        "smoothed. 0: none.",
        low=0.0,
        high=100.0,
    )
    tv_axes: str = parameter("z", "Axes of that total variation.", choices=tuple(AXES))


@dataclass(frozen=True)
class GradientParameters(ConjugateGradientParameters, SamplingParameters):
    """Parameters of DDS and its kin."""


def work(parameters: LevelParameters, inner: int, evaluations: float = 1.0) -> Work:
    """The work of a sampler.

    Args:
        inner: projections and back-projections of data consistency per level.
        evaluations: network evaluations of a slice per level.
    """
    # The start, the right-hand side and the end take one and a half pairs, the last denoising one more evaluation.
    pairs = parameters.steps * (inner + 1.0) + parameters.final_cg + 1.5
    return Work(pairs, (parameters.steps + 1.0) * evaluations, parameters.grid)


def gradient_work(parameters: ConjugateGradientParameters) -> Work:
    """The work of a slice-wise sampler with conjugate-gradient data consistency."""
    return work(parameters, parameters.cg_iterations)
