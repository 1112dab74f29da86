"""Thin slices from thick ones: the one order of things, from a volume to a result with its numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch

from ..core.monitor import Monitor
from ..core.noise import NoiseSource
from ..images.memory import check_memory
from ..images.orientation import Undo, oblique_warnings, to_slices
from ..images.volume import Volume
from ..methods.registry import Method
from ..operators.slice_average import Profile, SliceAverage
from ..pipeline import ReconstructionError, Result
from ..priors.prior import Prior
from .intensity import Intensities, intensities, judge
from .quality import against_thick, against_truth
from .stack import ThickStack
from .thin import automatic_factor, cropped, thick_volume, thin_volume

# Float32 arrays of the size of the thin volume held at once, generously.
_VOLUMES_HELD = 14
# Noise gain of a slice profile from which a user should know of it.
_STRONG = 10.0


@dataclass(frozen=True)
class ThickInput:
    """Thick slices as they were read or simulated.

    Attributes:
        thick: the measured thick slices, in the file's values.
        operator: thin to thick slices.
        modality: CT or MR.
        why: for MR, why it is not CT.
        reference: the true thin slices where the thick ones were simulated; for `quality` alone (contract C5).
        warnings: what a user should know about it.
        restore: takes a volume from the order of axes that is worked in back to the stored one.
    """

    thick: Volume
    operator: SliceAverage
    modality: str
    why: str
    reference: Volume | None
    warnings: tuple[str, ...]
    restore: Undo = field(default_factory=Undo)


def thick_input(
    volume: Volume,
    name: str,
    factor: int | None = None,
    profile: str = "rectangle",
    profile_mm: float | None = None,
    simulate_from_thin: bool = False,
    assume_hu: bool = False,
) -> ThickInput:
    """The thick slices of a job and the operator they belong to.

    Args:
        volume: values as they stand in the file.
        name: the file's name, for messages.
        factor: thin slices per thick one; None chooses nearly cubic voxels.
        profile: of the thick slices, one of `operators.slice_profiles.PROFILES`.
        profile_mm: full width at half maximum of one that is no rectangle.
        simulate_from_thin: the volume is the truth: average its slices first, and keep it as reference.
        assume_hu: take the values as HU even where they do not look like it.

    Raises:
        ValueError: a CT series whose values are not HU, too few slices, a profile that is too wide, or more voxels
            than memory holds.
    """
    volume, restore = to_slices(volume)
    volume, modality, why = judge(volume, name, assume_hu)
    warnings = (*(f"{name}: {note}" for note in volume.notes), *oblique_warnings(volume))
    if modality == "MR" and not volume.modality:
        warnings += (f"taken for MR: {why}",)
    reference = None
    if factor is None:
        factor, more = automatic_factor(volume)
        warnings += more
    if simulate_from_thin:
        reference, more = cropped(volume, factor)
        warnings += more
    slices, rows, columns = (volume if reference is None else reference).array.shape
    if reference is None:
        if slices < 2:
            raise ValueError(f"{name}: one slice; z super-resolution needs at least two")
        slices *= factor
    what = f"{slices} thin slices of {columns} x {rows} pixels"
    check_memory(4 * _VOLUMES_HELD * slices * rows * columns, name, what)
    thin_mm = volume.spacing[2] / (1 if reference is not None else factor)
    shape = None if profile_mm is None else Profile(profile, profile_mm / thin_mm)
    operator = SliceAverage(slices, factor, shape)
    if operator.noise_gain > _STRONG:
        warnings += (
            f"profile_mm: the slices overlap, undoing it makes their noise up to {operator.noise_gain:.0f} times "
            "stronger; the parameter noise of zsr holds that back",
        )
    thick = volume if reference is None else thick_volume(reference, operator)
    return ThickInput(thick, operator, modality, why, reference, warnings, restore)


def superresolve(
    given: ThickInput,
    method: Method,
    parameters: Any,
    prior: Prior | None,
    seed: int,
    monitor: Monitor,
    device: torch.device | str = "cpu",
) -> Result:
    """Thin slices by one method, then judge them. The method never sees the reference.

    Raises:
        ValueError: the method needs a prior and there is none, or values that are no MR magnitudes.
        ReconstructionError: the result is not finite.
        Cancelled: the monitor said so.
    """
    if method.needs_prior and prior is None:
        raise ValueError(f"prior: method {method.name} needs a prior")
    scale = intensities(given.thick, given.modality, None if prior is None else prior.info)
    x, y, z = given.thick.spacing
    spacing = (z / given.operator.factor, y, x)
    started = time.monotonic()
    stack = _stack(given, scale, spacing, seed, monitor, prior, device)
    with torch.no_grad():
        values = method.run(stack, parameters).detach().to("cpu", torch.float32)
    seconds = time.monotonic() - started
    bad = values.numel() - int(torch.isfinite(values).sum())
    if bad:
        count = values.numel()
        raise ReconstructionError(f"method {method.name}: {bad} of {count} voxels of the result are not finite")
    monitor.step("quality", 0, 1)
    thin = thin_volume(given.thick, given.operator.factor, scale.denormalise(values.numpy()))
    misfit = against_thick(thin.array, given.thick.array, given.operator)
    metrics = None if given.reference is None else against_truth(thin, given.reference, given.modality)
    monitor.step("quality", 1, 1)
    return Result(given.restore(thin), metrics, misfit, seconds)


def _stack(
    given: ThickInput,
    scale: Intensities,
    spacing: tuple[float, float, float],
    seed: int,
    monitor: Monitor,
    prior: Prior | None,
    device: torch.device | str,
) -> ThickStack:
    thick = torch.from_numpy(scale.normalise(given.thick.array)).to(device)
    return ThickStack(thick, given.operator, spacing, scale.width, NoiseSource(seed), monitor, prior)
