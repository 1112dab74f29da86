"""The work of a z super-resolution job: read the thick slices, or make them; thin ones by a method."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from ..core import devices
from ..core.monitor import Monitor
from ..images.volume import Volume, read_intensities
from ..pipeline import Result
from ..priors.anatomy import body_part_warnings
from ..priors.kind_names import IMAGE
from ..priors.kinds import load_prior
from ..priors.prior import Prior
from ..superresolution.intensity import check_prior
from ..superresolution.pipeline import ThickInput, superresolve, thick_input
from . import provenance
from .monitor import JobMonitor
from .superresolution_spec import SuperResolutionSpec
from .tasks import Outcome

DEFAULT_PRIORS = {"CT": "ct-triplet-256", "MR": "mri-t1-256"}


@dataclass(frozen=True)
class Given:
    """The thick slices of a job, the name of their file, and the hashes of what they were made from."""

    thick: ThickInput
    name: str
    inputs: dict[str, Any]


def read(spec: SuperResolutionSpec, folder: Path, monitor: JobMonitor) -> Given:
    """The thick slices that a specification asks for; see `tasks.Worker.read`."""
    path = spec.input_path(folder)
    monitor.step("read", 0, 1)
    with monitor.timed("io"):
        files = provenance.file_hashes(path) if os.path.exists(path) else {}
        volume = read_intensities(path, spec.assume_hu)
        content = provenance.sha256_array(volume.array)
    monitor.sources["input"] = content + "".join(files.values())
    monitor.step("read", 1, 1)
    thick = _thick(spec, volume, path.name, monitor)
    return Given(thick, path.name, {"path": spec.input, "files_sha256": files, "values_sha256": content})


def run(spec: SuperResolutionSpec, given: Given, device: torch.device, monitor: JobMonitor) -> Outcome:
    """Thin slices on a device; see `tasks.Worker.run`."""
    thick = given.thick
    prior = _prior(spec, given.thick, given.name, device, monitor)
    if prior is not None:
        monitor.sources["prior"] = prior.info.weights_sha256
    result = superresolve(thick, spec.chosen_method(), spec.method_parameters(), prior, spec.seed, monitor, device)
    facts = {
        "operator": f"slice average, factor {thick.operator.factor}, {spec.profile}",
        "modality": thick.modality,
        "inputs": given.inputs,
    }
    volumes = {} if thick.reference is None else {"thick.nrrd": thick.restore(thick.thick)}
    return Outcome(result, volumes, prior, facts)


def superresolved(spec: SuperResolutionSpec, volume: Volume, name: str, monitor: Monitor) -> Result:
    """Thin slices of a volume in memory; `name` is for messages. See `tasks.Worker` for what is raised."""
    device = devices.resolve(spec.device).device
    thick = _thick(spec, volume, name, monitor)
    prior = _prior(spec, thick, name, device, monitor)
    return superresolve(thick, spec.chosen_method(), spec.method_parameters(), prior, spec.seed, monitor, device)


def _thick(spec: SuperResolutionSpec, volume: Volume, name: str, monitor: Monitor) -> ThickInput:
    thick = thick_input(
        volume, name, spec.factor, spec.profile, spec.profile_mm, spec.simulate_from_thin, spec.assume_hu
    )
    for text in thick.warnings:
        monitor.warn(text)
    return thick


def _prior(
    spec: SuperResolutionSpec, thick: ThickInput, name: str, device: torch.device, monitor: Monitor
) -> Prior | None:
    if not spec.chosen_method().needs_prior:
        return None
    monitor.step("prior", 0, 1)
    with monitor.timed("io"):
        named = spec.prior or DEFAULT_PRIORS[thick.modality]
        prior = cast(Prior, load_prior(named, IMAGE, named, spec.method, device))
    check_prior(prior.info, thick.thick, name, thick.modality, thick.why)
    for text in body_part_warnings(prior.info, thick.thick.body_part):
        monitor.warn(text)
    monitor.step("prior", 1, 1)
    return prior
