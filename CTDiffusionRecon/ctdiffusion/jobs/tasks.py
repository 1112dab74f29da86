"""The tasks that a job can have: what its specification is, and which module does its work. Needs no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..core.strictjson import shorten
from ..methods.registry import RECONSTRUCTION, SUPERRESOLUTION
from .reconstruction_spec import JobSpec
from .spec import Specification
from .superresolution_spec import SuperResolutionSpec

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from ..images.volume import Volume
    from ..pipeline import Result
    from ..priors.kinds import AnyPrior
    from .monitor import JobMonitor


@dataclass(frozen=True)
class Outcome:
    """What the work of a task came to.

    Attributes:
        result: the volume with its numbers.
        volumes: further volumes to write beside it, by file name.
        prior: the prior that was used.
        facts: for provenance.
    """

    result: Result
    volumes: Mapping[str, Volume]
    prior: AnyPrior | None
    facts: Mapping[str, Any]


class Worker(Protocol):
    """What the module of a task offers."""

    def read(self, spec: Any, folder: Path, monitor: JobMonitor) -> Any:
        """Everything that does not depend on the device: the input, and what is simulated from it.

        Raises:
            ValueError, OSError: bad input; the text names the file or field.
        """
        ...

    def run(self, spec: Any, given: Any, device: torch.device, monitor: JobMonitor) -> Outcome:
        """The work on a device; called again with the CPU where a GPU's memory did not suffice.

        Raises:
            ValueError: the method cannot do it.
            ReconstructionError, ArithmeticError, MemoryError, RuntimeError: it failed.
            Cancelled: it was stopped.
        """
        ...


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: what `spec.json` says; that of its methods in the registry.
        command: what a user types.
        summary: what a user reads.
        specification: of its jobs.
        default_method: what is taken unless another is named.
        module: module of this package that is a `Worker`; imported when a job runs.
    """

    name: str
    command: str
    summary: str
    specification: type[Specification]
    default_method: str
    module: str

    def worker(self) -> Worker:
        """The module that does the work."""
        found: Any = importlib.import_module(f"ctdiffusion.{self.module}")
        return found  # type: ignore[no-any-return]


TASKS = {
    task.name: task
    for task in (
        Task(
            RECONSTRUCTION,
            "reconstruct",
            "reconstruct a volume's simulated, or measured, projections",
            JobSpec,
            "dds",
            "jobs.reconstruction",
        ),
        Task(
            SUPERRESOLUTION,
            "superres",
            "make thin slices of thick ones (MR or CT)",
            SuperResolutionSpec,
            "zsr",
            "jobs.superresolution",
        ),
    )
}


def task_of(values: Mapping[str, Any]) -> Task:
    """The task of a specification given as plain values; one without a task is a reconstruction.

    Raises:
        ValueError: a task that this version does not know.
    """
    name = values.get("task", RECONSTRUCTION)
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"spec.task: must be one of {', '.join(TASKS)}, got {shorten(name)}")
    return TASKS[name]


def read_specification(values: Mapping[str, Any]) -> Specification:
    """The specification, of whatever task, that plain values are.

    Raises:
        ValueError: the text begins with `spec.` and the field.
    """
    return task_of(values).specification.from_dict(values)
