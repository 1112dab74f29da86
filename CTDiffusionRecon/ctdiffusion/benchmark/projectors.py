"""Forward and adjoint of every geometry against other ways to compute them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ..operators.factory import make_operator
from ..scan.beams import Geometry, Grid, equispaced
from ..scan.machines import KINDS, default_geometry
from .gridsample import GridSampleProjector
from .references import AstraProjector, RtkProjector, has_astra, has_rtk
from .timing import interleaved

OWN = "ctdiffusion"

# Seconds that forward and adjoint of another candidate may take together.
PATIENCE = 120.0


class Projector(Protocol):
    """Anything with a forward and an adjoint."""

    def forward(self, x: Tensor, /) -> Tensor:
        """Line integrals."""

    def adjoint(self, y: Tensor, /) -> Tensor:
        """Back-projection."""


def scan_of(kind: str, views: int, grid: Grid) -> Geometry:
    """The default scan with equally spaced views, over half a turn for parallel beams."""
    return default_geometry(kind, equispaced(views, math.pi if kind == "parallel" else 2 * math.pi), grid)


def candidates(geometry: Geometry, grid: Grid, device: torch.device) -> dict[str, Callable[[], Projector]]:
    """What can project this geometry here."""
    found: dict[str, Callable[[], Projector]] = {
        OWN: lambda: make_operator(geometry, grid, device),
        "torch grid_sample": lambda: GridSampleProjector(geometry, grid, device),
    }
    if device.type == "cpu" and has_astra(geometry):
        found["astra-toolbox"] = lambda: AstraProjector(geometry, grid)
    if device.type == "cpu" and has_rtk(geometry):
        found["itk-rtk"] = lambda: RtkProjector(geometry, grid)
    return found


def compare_projectors(
    grid: Grid, view_counts: tuple[int, ...], repeats: int, device: torch.device, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Seconds for the whole stack, and ratios to our own: a row per geometry, number of views and candidate; notes.

    A candidate that would need more than `PATIENCE` seconds, judged by fewer views, is left out with a note.
    """
    rows: list[dict[str, Any]] = []
    notes = []
    for kind in KINDS:
        for views in sorted(view_counts):
            say(f"projectors: {kind}, {views} views")
            hopeless = {}
            for row in rows:
                expected = (row["forward_s"] + row["adjoint_s"]) * views / row["views"]
                if row["geometry"] == kind and row["projector"] != OWN and expected > PATIENCE:
                    hopeless[row["projector"]] = expected
            notes += [f"{name}, {kind}, {views} views: left out, about {s:.0f} s" for name, s in hopeless.items()]
            rows += _compare(kind, views, grid, repeats, device, hopeless)
    return rows, notes


def _compare(
    kind: str, views: int, grid: Grid, repeats: int, device: torch.device, without: Container[str]
) -> list[dict[str, Any]]:
    geometry = scan_of(kind, views, grid)
    x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0)).to(device)
    made: dict[str, Projector] = {}
    setup = {}
    for name, make in candidates(geometry, grid, device).items():
        if name in without:
            continue
        started = time.perf_counter()
        made[name] = make()
        setup[name] = time.perf_counter() - started
    y = made[OWN].forward(x)
    forward = interleaved({n: partial(p.forward, x) for n, p in made.items()}, repeats, device)
    adjoint = interleaved({n: partial(p.adjoint, y) for n, p in made.items()}, repeats, device)
    return [
        {
            "geometry": kind,
            "views": views,
            "shape": list(grid.shape),
            "projector": name,
            "backend": getattr(projector, "backend", name),
            "setup_s": setup[name],
            "forward_s": forward[name].seconds,
            "forward_runs": forward[name].runs,
            "forward_ratio": forward[name].seconds / forward[OWN].seconds,
            "adjoint_s": adjoint[name].seconds,
            "adjoint_runs": adjoint[name].runs,
            "adjoint_ratio": adjoint[name].seconds / adjoint[OWN].seconds,
        }
        for name, projector in made.items()
    ]
