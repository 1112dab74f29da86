"""Time and memory before Apply, at once and without the engine: its mathematics with this computer's measured speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ctdiffusion.jobs.estimate import Estimate, estimate, read_speed
from ctdiffusion.methods.registry import method_named
from ctdiffusion.scan.beams import Geometry, Grid, geometry_from_dict
from ctdiffusion.scan.machines import default_geometry

from ..queue.request import ReconstructionRequest
from .catalogue import defaults
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
    request: ReconstructionRequest,
    catalogue: Mapping[str, Any],
    dimensions: tuple[int, int, int],
    spacing: tuple[float, float, float],
    device: str = "cpu",
    calibration: Path | None = None,
    axes: tuple[int, int, int] = (0, 1, 2),
) -> Estimate:
    """What a reconstruction of a volume will take.

    Args:
        request: what is asked for.
        catalogue: methods and simulation (`catalogue.shipped_catalogue`).
        dimensions: columns, rows, slices of the volume.
        spacing: of them, in mm.
        device: cpu or cuda, as the engine said of "auto".
        calibration: file with measured speeds; the user's own otherwise.
        axes: see `grid_of`.

    Raises:
        ValueError: a geometry that cannot be, or an unknown method.
    """
    grid = grid_of(dimensions, spacing, request.slices, axes)
    simulation = {**defaults(catalogue["simulation"]), **request.simulation}
    finer = 1 if simulation.get("same_grid") else int(simulation.get("oversampling") or 1)
    speed = read_speed("cuda" if device == "cuda" else "cpu", calibration)
    method = method_named(request.method)
    prior = Path(request.prior).name if request.prior else method.default_prior
    return estimate(method, request.parameters, geometry_of(request, grid), grid, speed, finer, prior)


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


def geometry_of(request: ReconstructionRequest, grid: Grid | None) -> Geometry:
    """The scan that a request means for a volume; a full geometry needs none.

    Raises:
        ValueError: distances that cannot be, or a geometry to be fitted to no volume.
    """
    if isinstance(request.geometry, dict):
        return geometry_from_dict(request.geometry)
    if request.geometry is None or grid is None:
        raise ValueError("geometry: a volume needs one")
    return default_geometry(request.geometry, request.angles(), grid)
