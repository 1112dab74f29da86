"""From a measurement to a result with its numbers: the one order of things that worker and study share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .acquisition.settings import SimulationSettings
from .acquisition.simulate import simulate
from .core.monitor import Monitor
from .core.noise import NoiseSource
from .images.memory import check_memory
from .images.orientation import Undo, oblique_warnings, to_lps
from .images.volume import Volume
from .methods.problem import Problem
from .methods.registry import Method
from .operators.base import LinearOperator
from .operators.factory import make_operator
from .priors.kinds import check_kind
from .quality.metrics import compare
from .quality.misfit import misfit
from .scan.beams import Geometry, Grid
from .scan.memory import held_bytes
from .scan.projections import Projections

if TYPE_CHECKING:
    from .priors.kinds import AnyPrior


class ReconstructionError(RuntimeError):
    """A reconstruction came to a result that cannot be given to anyone."""


@dataclass(frozen=True)
class Measurement:
    """Projections with the place of the volume they belong to.

    Attributes:
        projections: what was measured or simulated.
        template: volume whose spacing, origin and direction the result takes; its values are never read.
        reference: the true volume, where the projections were simulated; for `quality` alone (contract C5).
        grid: the grid to reconstruct on.
        warnings: what a user should know about it.
        restore: takes a result from the patient's order of axes, in which it is scanned, back to the stored one.
    """

    projections: Projections
    template: Volume
    reference: Volume | None
    grid: Grid
    warnings: tuple[str, ...] = ()
    restore: Callable[[Volume], Volume] = field(default_factory=Undo)

    def to(self, device: torch.device) -> Measurement:
        """The same measurement with its projections on another device."""
        return replace(self, projections=self.projections.to(device))


@dataclass(frozen=True)
class Result:
    """A reconstructed volume with its numbers.

    Attributes:
        volume: HU, on the input's grid.
        metrics: quality against the reference (`quality.metrics.compare`); None where there is none.
        misfit: how far the volume is from the data (`quality.misfit.misfit`).
        seconds: of the method.
        warnings: what a user should know about it.
    """

    volume: Volume
    metrics: dict[str, float] | None
    misfit: dict[str, float | None]
    seconds: float
    warnings: tuple[str, ...] = ()


def simulated(
    volume: Volume, geometry: Geometry, settings: SimulationSettings, seed: int, first_slice: int = 0
) -> Measurement:
    """The measurement of `volume` that a scanner of this geometry would take, laid in the patient's coordinates.

    Raises:
        ValueError: the geometry does not fit the volume, or memory would not suffice.
    """
    volume, restore = to_lps(volume)
    warnings = (*oblique_warnings(volume), *geometry.check(volume.grid))
    check_need(volume.grid, geometry)
    projections = simulate(volume, geometry, settings, seed, first_slice)
    return Measurement(projections, volume, volume, volume.grid, (*warnings, *projections.notes), restore)


def measured(projections: Projections, grid: Grid, warnings: tuple[str, ...] = ()) -> Measurement:
    """Measured projections, to be reconstructed on `grid`; the result lies about the isocentre.

    Raises:
        ValueError: the geometry does not fit the grid, or memory would not suffice.
    """
    check_need(grid, projections.geometry)
    found = dict.fromkeys((*warnings, *projections.notes, *projections.geometry.check(grid)))
    return Measurement(projections, volume_on(grid), None, grid, tuple(found))


def volume_on(grid: Grid) -> Volume:
    """An empty volume that lies as `grid` does about the isocentre."""
    dz, dy, dx = grid.spacing
    slices, rows, columns = grid.shape
    x, y, z = grid.centre
    origin = (x - 0.5 * (columns - 1) * dx, y - 0.5 * (rows - 1) * dy, z - 0.5 * (slices - 1) * dz)
    return Volume(np.zeros(grid.shape, np.float32), (dx, dy, dz), origin)


def check_need(grid: Grid, geometry: Geometry) -> None:
    """Refuse a reconstruction that would not fit into memory, before anything is allocated.

    Raises:
        ValueError: it would not; the text says what was needed.
    """
    slices, rows, columns = grid.shape
    a, b, c = geometry.data_shape(slices)
    need = held_bytes(grid, geometry)
    check_memory(need, "volume", f"reconstructing {columns} x {rows} x {slices} voxels from {a} x {b} x {c} rays")


def run_method(
    measurement: Measurement,
    operator: LinearOperator,
    method: Method,
    parameters: Any,
    prior: AnyPrior | None,
    seed: int,
    monitor: Monitor,
) -> Result:
    """Reconstruct by one method, then judge the result. The method never sees the reference.

    Raises:
        ValueError: the method needs a prior and there is none, or one of another kind.
        ReconstructionError: the result is not finite.
        Cancelled: the monitor said so.
    """
    if method.needs_prior and prior is None:
        raise ValueError(f"prior: method {method.name} needs a prior")
    if method.needs_prior and prior is not None:
        check_kind(prior.info, method.prior_kind, method.name)
    started = time.monotonic()
    noise = NoiseSource(seed, measurement.projections.first_slice)
    problem = Problem(measurement.projections, operator, measurement.grid, noise, monitor, prior)
    with torch.no_grad():
        mu = method.run(problem, parameters)
    seconds = time.monotonic() - started
    bad = mu.numel() - int(torch.isfinite(mu).sum())
    if bad:
        raise ReconstructionError(
            f"method {method.name}: {bad} of {mu.numel()} voxels of the result are not finite (NaN or infinite); "
            "check the measurement and the parameters"
        )
    monitor.step("quality", 0, 1, mu)
    with torch.no_grad(), monitor.timed("projector"):
        fit = misfit(operator, mu, measurement.projections)
    hu = measurement.projections.scale.to_hu(mu.detach().to("cpu", torch.float32))
    volume = measurement.template.like(hu.numpy())
    metrics = None if measurement.reference is None else compare(volume, measurement.reference)
    monitor.step("quality", 1, 1)
    return Result(measurement.restore(volume), metrics, dict(fit), seconds)


def operator_for(measurement: Measurement, device: torch.device | str) -> LinearOperator:
    """The projector of a measurement on its grid."""
    return make_operator(measurement.projections.geometry, measurement.grid, device)
