"""One job, of whatever task, from its specification to its published result."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from ..core import atomic, devices
from ..images.volume import write_volume
from . import provenance
from .events import EventLog
from .folder import JobFolder, JobStatus, to_json
from .monitor import JobMonitor
from .spec import Specification
from .stopping import StopRequest
from .tasks import TASKS, Outcome

if TYPE_CHECKING:
    from ..priors.kinds import AnyPrior


def execute(folder: JobFolder, log: EventLog, stop: StopRequest, resume: bool, **intervals: float) -> JobStatus:
    """Run the job in `folder`, of whatever task, to its published result.

    Args:
        folder: the job folder, locked by the caller.
        log: where events go.
        stop: request to stop.
        resume: go on from the saved state, if there is one.
        intervals: `report_s`, `preview_s`, `save_s` of the monitor.

    Raises:
        ValueError, OSError: bad input or a file that cannot be read or written.
        ReconstructionError, ArithmeticError, MemoryError, RuntimeError: the method failed.
        Cancelled: it was stopped.
    """
    spec = folder.read_spec()
    worker = TASKS[spec.TASK].worker()
    monitor = JobMonitor(folder, log, stop, spec.digest, resume=resume, **intervals)
    with log_as_warnings(monitor):
        choice = devices.resolve(spec.device)
        log.emit("device", device=str(choice.device), reason=choice.reason)
        given = worker.read(spec, folder.path, monitor)
        device = choice.device
        try:
            outcome = worker.run(spec, given, device, monitor)
        except (MemoryError, RuntimeError) as error:
            if device.type == "cpu" or not devices.out_of_memory(error):
                raise
            why = (str(error).splitlines() or [type(error).__name__])[0]
            monitor.warn(f"the GPU ran out of memory ({why}): going on with the CPU")
            device = torch.device("cpu")
            outcome = worker.run(spec, given, device, monitor)
    used = {"device": {"used": str(device), "reason": choice.reason, **devices.describe()}}
    return write_result(folder, spec, outcome, used, monitor, stop)


def write_result(
    folder: JobFolder,
    spec: Specification,
    outcome: Outcome,
    used: dict[str, Any],
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
        for name, volume in {folder.volume.name: outcome.result.volume, **outcome.volumes}.items():
            write_volume(volume, folder.result_partial / name)
    result = outcome.result
    metrics: dict[str, float | None] | None = None if result.metrics is None else dict(result.metrics)
    numbers = {"metrics": metrics, "misfit": result.misfit}
    record = {
        "spec": spec.to_dict(),
        "seed": spec.seed,
        "code": provenance.code_version(),
        "packages": provenance.package_versions(),
        **used,
        **outcome.facts,
        "prior": None if outcome.prior is None else prior_facts(outcome.prior),
        **numbers,
        "method_seconds": round(result.seconds, 3),
        "seconds": monitor.timings(),
        "peak_memory": provenance.peak_memory(torch.device(used["device"]["used"])),
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
