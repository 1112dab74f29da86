"""The work of one z super-resolution job: read, make a stack, run the method, judge, write."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

import torch

from ..core import devices
from ..core.monitor import Monitor
from ..core.noise import NoiseSource
from ..core.strictjson import read_object
from ..images.memory import check_memory
from ..images.volume import Volume, read_intensities
from ..jobs import provenance
from ..jobs.events import EventLog
from ..jobs.folder import JobFolder, JobStatus
from ..jobs.monitor import JobMonitor
from ..jobs.run import log_as_warnings, prior_facts, write_result
from ..jobs.stopping import StopRequest
from ..operators.slice_average import Profile, SliceAverage
from ..pipeline import ReconstructionError, Result
from ..priors import kinds
from ..priors.anatomy import body_part_warnings
from ..priors.prior import Prior
from .intensity import Intensities, check_prior, intensities, judge
from .quality import against_thick, against_truth
from .registry import SliceMethod, ThickStack, slice_method_named
from .spec import SuperResolutionSpec
from .thin import automatic_factor, cropped, thick_volume, thin_volume

DEFAULT_PRIORS = {"CT": "ct-triplet-256", "MR": "mri-t1-256"}
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
    """

    thick: Volume
    operator: SliceAverage
    modality: str
    why: str
    reference: Volume | None
    warnings: tuple[str, ...]


def execute(folder: JobFolder, log: EventLog, stop: StopRequest, resume: bool, **intervals: float) -> JobStatus:
    """Run the job in `folder` to its published result; see `jobrun.execute`.

    Raises:
        ValueError, OSError: bad input or a file that cannot be read or written.
        ReconstructionError, ArithmeticError, MemoryError, RuntimeError: the method failed.
        Cancelled: it was stopped.
    """
    spec = SuperResolutionSpec.from_dict(read_object(folder.spec))
    monitor = JobMonitor(folder, log, stop, spec.digest, resume=resume, **intervals)
    with log_as_warnings(monitor):
        choice = devices.resolve(spec.device)
        log.emit("device", device=str(choice.device), reason=choice.reason)
        path = spec.input_path(folder.path)
        monitor.step("read", 0, 1)
        with monitor.timed("io"):
            files = provenance.file_hashes(path) if path.exists() else {}
            volume = read_intensities(path, spec.assume_hu)
            content = provenance.sha256_array(volume.array)
            inputs = {"path": spec.input, "files_sha256": files, "values_sha256": content}
        monitor.sources["input"] = content + "".join(files.values())
        monitor.step("read", 1, 1)
        given = thick_input(volume, path.name, spec)
        for text in given.warnings:
            monitor.warn(text)
        method = slice_method_named(spec.method)
        prior = _prior(spec, method, given, path.name, choice.device, monitor)
        device = choice.device
        try:
            result = superresolve(given, method, spec.method_parameters(), prior, spec.seed, monitor, device)
        except (MemoryError, RuntimeError) as error:
            if device.type == "cpu" or not devices.out_of_memory(error):
                raise
            why = (str(error).splitlines() or [type(error).__name__])[0]
            monitor.warn(f"the GPU ran out of memory ({why}): going on with the CPU")
            device = torch.device("cpu")
            prior = _prior(spec, method, given, path.name, device, monitor)
            result = superresolve(given, method, spec.method_parameters(), prior, spec.seed, monitor, device)
    facts: dict[str, Any] = {
        "device": {"used": str(device), "reason": choice.reason, **devices.describe()},
        "operator": f"slice average, factor {given.operator.factor}, {spec.profile}",
        "modality": given.modality,
        "inputs": inputs,
        "prior": None if prior is None else prior_facts(prior),
    }
    volumes = {folder.volume.name: result.volume}
    if given.reference is not None:
        volumes["thick.nrrd"] = given.thick
    return write_result(folder, spec, result, volumes, facts, monitor, stop)


def thick_input(volume: Volume, name: str, spec: SuperResolutionSpec) -> ThickInput:
    """The thick slices of a job and the operator they belong to.

    Args:
        volume: values as they stand in the file.
        name: the file's name, for messages.
        spec: the job.

    Raises:
        ValueError: a CT series whose values are not HU, too few slices, a profile that is too wide, or more voxels
            than memory holds.
    """
    volume, modality, why = judge(volume, name, spec.assume_hu)
    warnings = tuple(f"{name}: {note}" for note in volume.notes)
    if modality == "MR" and not volume.modality:
        warnings += (f"taken for MR: {why}",)
    reference = None
    factor = spec.factor
    if factor is None:
        factor, more = automatic_factor(volume)
        warnings += more
    if spec.simulate_from_thin:
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
    profile = None if spec.profile_mm is None else Profile(spec.profile, spec.profile_mm / thin_mm)
    operator = SliceAverage(slices, factor, profile)
    if operator.noise_gain > _STRONG:
        warnings += (
            f"profile_mm: the slices overlap, undoing it makes their noise up to {operator.noise_gain:.0f} times "
            "stronger; the parameter noise of zsr holds that back",
        )
    thick = volume if reference is None else thick_volume(reference, operator)
    return ThickInput(thick, operator, modality, why, reference, warnings)


def superresolve(
    given: ThickInput,
    method: SliceMethod,
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
    return Result(thin, metrics, misfit, seconds)


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


def _prior(
    spec: SuperResolutionSpec,
    method: SliceMethod,
    given: ThickInput,
    name: str,
    device: torch.device,
    monitor: JobMonitor,
) -> Prior | None:
    if not method.needs_prior:
        return None
    monitor.step("prior", 0, 1)
    with monitor.timed("io"):
        named = spec.prior or DEFAULT_PRIORS[given.modality]
        prior = cast(Prior, kinds.load_prior(named, kinds.IMAGE, named, method.name, device))
    monitor.sources["prior"] = prior.info.weights_sha256
    check_prior(prior.info, given.thick, name, given.modality, given.why)
    for text in body_part_warnings(prior.info, given.thick.body_part):
        monitor.warn(text)
    monitor.step("prior", 1, 1)
    return prior
