"""Time and memory before Apply, at once and without the engine: its mathematics with this computer's measured speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import radians
from pathlib import Path
from typing import Any

from ctdiffusion.estimate import Estimate, estimate, read_speed
from ctdiffusion.geometry import Geometry, Grid, geometry_from_dict
from ctdiffusion.presets import default_geometry
from ctdiffusion.viewsets import equispaced, limited_angle

from .catalogue import defaults, method_named
from .engine import Engine
from .query import EngineQuery
from .request import ReconstructionRequest
from .runner import Runner, SubprocessRunner

DEFAULT_PRIOR = "ct-triplet-256"


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
) -> Estimate:
    """What a reconstruction of a volume will take.

    Args:
        request: what is asked for.
        catalogue: methods and simulation (`catalogue.shipped_catalogue`).
        dimensions: columns, rows, slices of the volume.
        spacing: of them, in mm.
        device: cpu or cuda, as the engine said of "auto".
        calibration: file with measured speeds; the user's own otherwise.

    Raises:
        ValueError: a geometry that cannot be, or an unknown method.
    """
    columns, rows, count = dimensions
    start, stop = request.slices or (0, count)
    dx, dy, dz = spacing
    grid = Grid((max(1, min(stop, count) - start), rows, columns), (dz, dy, dx))
    simulation = {**defaults(catalogue["simulation"]), **request.simulation}
    finer = 1 if simulation.get("same_grid") else int(simulation.get("oversampling") or 1)
    speed = read_speed("cuda" if device == "cuda" else "cpu", calibration)
    method = method_named(catalogue, request.method)
    prior = Path(request.prior).name if request.prior else method.get("default_prior") or DEFAULT_PRIOR
    return estimate(method, request.parameters, geometry_of(request, grid), grid, speed, finer, prior)


def geometry_of(request: ReconstructionRequest, grid: Grid) -> Geometry:
    """The scan that a request means for a volume.

    Raises:
        ValueError: angles or distances that cannot be.
    """
    if isinstance(request.geometry, dict):
        return geometry_from_dict(request.geometry)
    if request.geometry is None:
        raise ValueError("geometry: a volume needs one")
    return default_geometry(request.geometry, view_angles(request), grid)


def view_angles(request: ReconstructionRequest) -> tuple[float, ...]:
    """The view angles in radians."""
    if request.angles_deg is not None:
        return tuple(radians(angle) for angle in request.angles_deg)
    if request.views is None:
        raise ValueError("views: missing (or give angles_deg)")
    if request.limited_deg is not None:
        return limited_angle(request.views, radians(request.limited_deg[0]), radians(request.limited_deg[1]))
    arc = request.arc_deg if request.arc_deg is not None else (180.0 if request.geometry == "parallel" else 360.0)
    return equispaced(request.views, radians(arc), radians(request.start_deg))
