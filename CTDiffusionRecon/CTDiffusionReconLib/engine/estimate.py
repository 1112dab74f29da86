"""Time and memory before Apply, at once and without the engine: its mathematics with this computer's measured speed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ctdiffusion.jobs.estimate import Estimate, estimate, read_speed
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.scan.beams import Geometry, Grid
from ctdiffusion.scan.machines import default_geometry

from .engine import Engine
from .query import EngineQuery
from .runner import Runner, SubprocessRunner


def calibration_query(
    engine: Engine, runner: Callable[..., Runner] = SubprocessRunner, prior: str | None = None
) -> EngineQuery:
    """Time this computer and a prior (None: the default one), once: some seconds of work in a child, remembered."""
    named = () if prior is None else ("--prior", prior)
    return EngineQuery(engine, engine.command("estimate", "--json", *named), runner)


def estimate_request(
    request: JobSpec,
    dimensions: tuple[int, int, int],
    spacing: tuple[float, float, float],
    device: str = "cpu",
    calibration: Path | None = None,
    axes: tuple[int, int, int] = (0, 1, 2),
) -> Estimate:
    """What a reconstruction of a volume will take.

    Args:
        request: what is asked for.
        dimensions: columns, rows, slices of the volume.
        spacing: of them, in mm.
        device: cpu or cuda, as the engine said of "auto".
        calibration: file with measured speeds; the user's own otherwise.
        axes: see `grid_of`.

    Raises:
        ValueError: a geometry that cannot be.
    """
    grid = grid_of(dimensions, spacing, request.slices, axes)
    speed = read_speed("cuda" if device == "cuda" else "cpu", calibration)
    method = request.chosen_method()
    prior = Path(request.prior).name if request.prior else method.default_prior
    geometry = geometry_of(request, grid)
    return estimate(method, request.parameters, geometry, grid, speed, request.simulation.finer, prior)


def grid_of(
    dimensions: tuple[int, int, int],
    spacing: tuple[float, float, float],
    slices: tuple[int, int] | None,
    axes: tuple[int, int, int] = (0, 1, 2),
) -> Grid:
    """The voxels to reconstruct, as the engine lays them: in the patient's order of axes.

    Args:
        dimensions: columns, rows, slices of the volume.
        spacing: of them, in mm.
        slices: (start, stop) of its slices, None: all.
        axes: which of its axes run nearest to left, posterior and superior.
    """
    columns, rows, count = dimensions
    start, stop = slices or (0, count)
    sizes = (columns, rows, max(1, min(stop, count) - start))
    x, y, z = axes
    return Grid((sizes[z], sizes[y], sizes[x]), (spacing[z], spacing[y], spacing[x]))


def geometry_of(request: JobSpec, grid: Grid | None) -> Geometry:
    """The scan that a request means for a volume; a full geometry needs none.

    Raises:
        ValueError: distances that cannot be, or a geometry to be fitted to no volume.
    """
    full = request.explicit_geometry()
    if full is not None:
        return full
    if not isinstance(request.geometry, str) or grid is None:
        raise ValueError("geometry: a volume needs one")
    return default_geometry(request.geometry, request.angles(), grid)
