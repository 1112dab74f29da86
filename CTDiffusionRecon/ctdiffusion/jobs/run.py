"""The work of one job: read, measure, reconstruct, judge, write."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import pipeline
from ..core import atomic, devices
from ..images.volume import Volume, read_volume, write_volume
from ..methods.registry import method_named
from ..operators.base import LinearOperator
from ..pipeline import Measurement, Result
from ..scan.viewsets import spread
from . import provenance
from .events import EventLog
from .folder import JobFolder, JobStatus, Specification, to_json
from .monitor import JobMonitor
from .sinograms import sinogram_volumes
from .spec import JobSpec
from .stopping import StopRequest

if TYPE_CHECKING:
    from ..priors.kinds import AnyPrior


def execute(folder: JobFolder, log: EventLog, stop: StopRequest, resume: bool, **intervals: float) -> JobStatus:
    """Run the job in `folder` to its published result.

    Args:
        folder: the job folder, locked by the caller.
        log: where events go.
        stop: request to stop.
        resume: go on from the saved state, if there is one.
        intervals: `report_s`, `preview_s`, `save_s` of the monitor.

    Raises:
        ValueError, OSError: bad input or a file that cannot be read or written.
        ReconstructionError, ArithmeticError, MemoryError, RuntimeError: the reconstruction failed.
        Cancelled: it was stopped.
    """
    spec = folder.read_spec()
    monitor = JobMonitor(folder, log, stop, spec.digest, resume=resume, **intervals)
    with log_as_warnings(monitor):
        choice = devices.resolve(spec.device)
        log.emit("device", device=str(choice.device), reason=choice.reason)
        measurement, inputs = read_measurement(spec, folder.path, monitor)
        for text in measurement.warnings:
            monitor.warn(text)
        monitor.scale = measurement.projections.scale
        try:
            result, prior, device, operator = _reconstruct(spec, measurement, choice.device, monitor)
        except (MemoryError, RuntimeError) as error:
            if choice.device.type == "cpu" or not devices.out_of_memory(error):
                raise
            why = (str(error).splitlines() or [type(error).__name__])[0]
            monitor.warn(f"the GPU ran out of memory ({why}): going on with the CPU")
            result, prior, device, operator = _reconstruct(spec, measurement, torch.device("cpu"), monitor)
    facts: dict[str, Any] = {
        "device": {"used": str(device), "reason": choice.reason, **devices.describe()},
        "operator": operator.backend,
        "geometry": measurement.projections.geometry.to_dict(),
        "first_slice": measurement.projections.first_slice,
        "inputs": inputs,
        "prior": None if prior is None else prior_facts(prior),
    }
    volumes = {folder.volume.name: result.volume}
    if spec.keep_projections:
        with monitor.timed("projector"):
            volumes |= sinogram_volumes(measurement.projections, operator, result.volume)
    return write_result(folder, spec, result, volumes, facts, monitor, stop)


def read_measurement(spec: JobSpec, folder: Path, monitor: JobMonitor) -> tuple[Measurement, dict[str, Any]]:
    """The measurement that a specification asks for, and the hashes of what it was made from.

    Raises:
        ValueError, OSError: bad input; the text names the file or field.
    """
    path = spec.input_path(folder)
    monitor.step("read", 0, 1)
    with monitor.timed("io"):
        files = provenance.file_hashes(path) if path.exists() else {}
        if spec.input_kind == "projections":
            measurement, content = _read_projections(spec, path)
            if (geometry_file := path.with_suffix(".json")).is_file():
                files |= provenance.file_hashes(geometry_file)
        else:
            volume = read_volume(path, spec.assume_hu)
            for note in volume.notes:
                monitor.warn(f"{path.name}: {note}")
            content = provenance.sha256_array(volume.array)
        inputs = {"path": spec.input, "files_sha256": files, "values_sha256": content}
        # Measured projections have their geometry in a second file.
        monitor.sources["input"] = content + "".join(files.values())
    monitor.step("read", 1, 1)
    if spec.input_kind == "volume":
        measurement = _simulate(spec, volume, monitor)
    return measurement, inputs


def _reconstruct(
    spec: JobSpec, measurement: Measurement, device: torch.device, monitor: JobMonitor
) -> tuple[Result, AnyPrior | None, torch.device, LinearOperator]:
    method = method_named(spec.method)
    prior = None
    if method.needs_prior:
        from ..priors import anatomy, kinds

        monitor.step("prior", 0, 1)
        with monitor.timed("io"):
            prior = kinds.load_prior(spec.prior, method.prior_kind, method.default_prior, method.name, device)
        monitor.sources["prior"] = prior.info.weights_sha256
        for text in anatomy.body_part_warnings(prior.info, measurement.template.body_part):
            monitor.warn(text)
        monitor.step("prior", 1, 1)
    monitor.step("projector", 0, 1)
    with monitor.timed("projector"):
        operator = pipeline.operator_for(measurement, device)
    monitor.step("projector", 1, 1)
    on_device = measurement.to(device)
    result = pipeline.run_method(on_device, operator, method, spec.method_parameters(), prior, spec.seed, monitor)
    return result, prior, device, operator


def _simulate(spec: JobSpec, volume: Volume, monitor: JobMonitor) -> Measurement:
    from ..scan.machines import default_geometry

    first = 0
    if spec.slices is not None:
        count = volume.array.shape[0]
        if spec.slices[1] > count:
            raise ValueError(f"spec.slices: {spec.slices[0]}:{spec.slices[1]} is outside the volume's 0:{count}")
        first = spec.slices[0]
        volume = volume.slices(*spec.slices)
    geometry = spec.explicit_geometry()
    if geometry is None:
        assert isinstance(spec.geometry, str)
        geometry = default_geometry(spec.geometry, spec.angles(), volume.grid)
    monitor.step("simulate", 0, 1)
    with monitor.timed("projector"):
        measurement = pipeline.simulated(volume, geometry, spec.simulation, spec.seed, first)
    monitor.step("simulate", 1, 1)
    return measurement


def _read_projections(spec: JobSpec, path: Path) -> tuple[Measurement, str]:
    from ..acquisition.measured import read_projections
    from ..acquisition.measured.consistency import check_consistency

    found = read_projections(path)
    projections, grid = found.projections, found.grid
    content = provenance.sha256_array(projections.data.numpy())
    if spec.slices is not None:
        raise ValueError("spec.slices: measured projections are reconstructed whole")
    if spec.views is not None:
        there = projections.geometry.views
        if spec.views > there:
            raise ValueError(f"spec.views: {spec.views} views were asked for, {path.name} has {there}")
        projections = projections.views(spread(projections.geometry.angles, spec.views))
    warnings = (*found.warnings, *check_consistency(found.projections).warnings)
    return pipeline.measured(projections, grid, warnings), content


def write_result(
    folder: JobFolder,
    spec: Specification,
    result: Result,
    volumes: dict[str, Volume],
    facts: dict[str, Any],
    monitor: JobMonitor,
    stop: StopRequest,
) -> JobStatus:
    """Write the volumes by file name and the provenance, and publish them by one last rename.

    Raises:
        OSError: they cannot be written.
        Cancelled: the job was stopped before that rename.
    """
    monitor.step("write", 0, 1)
    with monitor.timed("io"):
        folder.discard_partial_result()
        folder.result_partial.mkdir()
        for name, volume in volumes.items():
            write_volume(volume, folder.result_partial / name)
    metrics: dict[str, float | None] | None = None if result.metrics is None else dict(result.metrics)
    numbers = {"metrics": metrics, "misfit": result.misfit}
    record = {
        "spec": spec.to_dict(),
        "seed": spec.seed,
        "code": provenance.code_version(),
        "packages": provenance.package_versions(),
        **facts,
        **numbers,
        "method_seconds": round(result.seconds, 3),
        "seconds": monitor.timings(),
        "peak_memory": provenance.peak_memory(torch.device(facts["device"]["used"])),
        "result_sha256": provenance.sha256_array(result.volume.array),
        "warnings": monitor.warnings,
    }
    monitor.check()
    # From here to the end it takes milliseconds and must not be cut in two.
    stop.close()
    atomic.write_bytes(folder.provenance, to_json(record))
    atomic.publish_folder(folder.result_partial, folder.result)
    path = folder.volume.relative_to(folder.path).as_posix()
    status = JobStatus("done", result=path, metrics=metrics, misfit=result.misfit)
    folder.write_status(status)
    folder.state.unlink(missing_ok=True)
    monitor.log.emit("result", path=status.result, seconds=record["seconds"], **numbers)
    return status


def prior_facts(prior: AnyPrior) -> dict[str, Any]:
    """What provenance says about a prior."""
    facts = asdict(prior.info)
    return {name: facts[name] for name in ("name", "version", "weights_sha256", "licence", "attribution")}


@contextmanager
def log_as_warnings(monitor: JobMonitor) -> Iterator[None]:
    """Hand the engine's own log warnings (memory ladder) to the user for the length of a block."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            monitor.warn(record.getMessage())

    logger, handler = logging.getLogger("ctdiffusion"), Handler(logging.WARNING)
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
