"""The work of a reconstruction job: read or simulate the measurement, reconstruct it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .. import pipeline
from ..acquisition.measured.consistency import check_consistency
from ..acquisition.measured.read import MeasuredProjections, read_projections
from ..core.monitor import Monitor
from ..core.regularfile import check_regular, sha256_file
from ..images.orientation import to_lps
from ..images.volume import Volume, read_volume
from ..pipeline import Measurement
from ..priors.anatomy import body_part_warnings
from ..priors.kinds import AnyPrior, find_prior, load_any
from ..priors.prior import PriorInfo
from ..priors.scan import check_scan
from ..scan.beams import Geometry
from ..scan.machines import default_geometry
from ..scan.viewsets import spread
from . import provenance
from .monitor import JobMonitor
from .reconstruction_spec import JobSpec
from .sinograms import sinogram_volumes
from .tasks import Outcome


@dataclass(frozen=True)
class Given:
    """The measurement of a job, the hashes of what it was made from, and its prior's folder and metadata."""

    measurement: Measurement
    inputs: dict[str, Any]
    prior: tuple[Path, PriorInfo] | None


def read(spec: JobSpec, folder: Path, monitor: JobMonitor) -> Given:
    """The measurement that a specification asks for; see `tasks.Worker.read`."""
    path, method = spec.input_path(folder), spec.chosen_method()
    # A prior that cannot serve is refused before anything is read or simulated.
    prior = None
    if method.needs_prior:
        prior = find_prior(spec.prior, method.prior_kind, method.default_prior, method.name)
    monitor.step("read", 0, 1)
    with monitor.timed("io"):
        if not os.path.isdir(path):
            with suppress(FileNotFoundError):
                check_regular(path)
        if spec.input_kind == "projections":
            found = read_projections(path)
            files = {file.name: sha256_file(file) for file in found.files}
            content = provenance.sha256_array(found.projections.data.numpy())
            measurement = measured_measurement(spec, found, path.name)
        else:
            files = provenance.file_hashes(path) if os.path.exists(path) else {}
            volume = read_volume(path, spec.assume_hu)
            for note in volume.notes:
                monitor.warn(f"{path.name}: {note}")
            content = provenance.sha256_array(volume.array)
        inputs = {"path": spec.input, "files_sha256": files, "values_sha256": content}
        monitor.sources["input"] = content + "".join(files.values())
    monitor.step("read", 1, 1)
    if spec.input_kind == "volume":
        measurement = simulated_measurement(spec, volume, monitor, None if prior is None else prior[1])
    for text in measurement.warnings:
        monitor.warn(text)
    monitor.scale = measurement.projections.scale
    return Given(measurement, inputs, prior)


def run(spec: JobSpec, given: Given, device: torch.device, monitor: JobMonitor) -> Outcome:
    """Reconstruct on a device; see `tasks.Worker.run`."""
    measurement, method = given.measurement, spec.chosen_method()
    prior: AnyPrior | None = None
    if given.prior is not None:
        monitor.step("prior", 0, 1)
        with monitor.timed("io"):
            prior = load_any(given.prior[0], device, given.prior[1])
        monitor.sources["prior"] = prior.info.weights_sha256
        for text in body_part_warnings(prior.info, measurement.template.body_part):
            monitor.warn(text)
        monitor.step("prior", 1, 1)
    monitor.step("projector", 0, 1)
    with monitor.timed("projector"):
        operator = pipeline.operator_for(measurement, device)
    monitor.step("projector", 1, 1)
    on_device = measurement.to(device)
    result = pipeline.run_method(on_device, operator, method, spec.method_parameters(), prior, spec.seed, monitor)
    volumes = {}
    if spec.keep_projections:
        with monitor.timed("projector"):
            volumes = sinogram_volumes(measurement.projections, operator, result.volume)
    facts = {
        "operator": operator.backend,
        "geometry": measurement.projections.geometry.to_dict(),
        "first_slice": measurement.projections.first_slice,
        "inputs": given.inputs,
    }
    return Outcome(result, volumes, prior, facts)


def simulated_measurement(
    spec: JobSpec, volume: Volume, monitor: Monitor, prior: PriorInfo | None = None
) -> Measurement:
    """The measurement of a volume, or of some of its slices, that a specification asks for.

    Raises:
        ValueError: slices that the volume does not have, or a scan that does not fit it or the prior.
    """
    first = 0
    if spec.slices is not None:
        count = volume.array.shape[0]
        if spec.slices[1] > count:
            raise ValueError(f"spec.slices: {spec.slices[0]}:{spec.slices[1]} is outside the volume's 0:{count}")
        volume, restore = to_lps(volume.slices(*spec.slices))
        first = restore.first_slice(*spec.slices, count)
        if restore.axes[2] != 2:
            monitor.warn("slices: counted along the file's third axis, which does not run from head to foot")
    else:
        volume, restore = to_lps(volume)
    geometry = spec.explicit_geometry()
    if geometry is None:
        assert isinstance(spec.geometry, str)
        geometry = default_geometry(spec.geometry, spec.angles(), volume.grid)
    if prior is not None and prior.scan:
        check_scan(prior, geometry, volume.grid)
    monitor.step("simulate", 0, 1)
    with monitor.timed("projector"):
        measurement = pipeline.simulated(volume, geometry, spec.simulation, spec.seed, first)
        measurement = replace(measurement, restore=restore)
    monitor.step("simulate", 1, 1)
    return measurement


def measured_measurement(spec: JobSpec, found: MeasuredProjections, name: str) -> Measurement:
    """The measurement of projections from a file, or of as many of their views as a specification asks for.

    Raises:
        ValueError: as `asked_views`.
    """
    projections = found.projections
    asked = asked_views(spec, projections.geometry, name)
    if asked is not None:
        projections = projections.views(asked)
    warnings = (*found.warnings, *check_consistency(found.projections).warnings)
    return pipeline.measured(projections, found.grid, warnings)


def asked_views(spec: JobSpec, geometry: Geometry, name: str) -> list[int] | None:
    """Indices of the measured views that a specification asks for; None for all of them.

    Args:
        spec: the specification.
        geometry: of the measured views.
        name: of their file, for messages.

    Raises:
        ValueError: more views than there are, or slices of them.
    """
    if spec.slices is not None:
        raise ValueError("spec.slices: measured projections are reconstructed whole")
    if spec.views is None:
        return None
    if spec.views > geometry.views:
        raise ValueError(f"spec.views: {spec.views} views were asked for, {name} has {geometry.views}")
    return spread(geometry.angles, spec.views)
