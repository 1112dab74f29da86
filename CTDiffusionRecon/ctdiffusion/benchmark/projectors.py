"""Forward and adjoint of every geometry, beside the same in a few lines of torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ..operators.factory import make_operator
from ..scan.beams import Geometry, Grid, equispaced
from ..scan.machines import KINDS, default_geometry
from .gridsample import GridSampleProjector
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


# What can project, by name, made when it is called.
Candidates = dict[str, Callable[[], Projector]]
# What else can project a geometry on a grid and a device.
Others = Callable[[Geometry, Grid, torch.device], Candidates]


def scan_of(kind: str, views: int, grid: Grid) -> Geometry:
    """The default scan with equally spaced views, over half a turn for parallel beams."""
    return default_geometry(kind, equispaced(views, math.pi if kind == "parallel" else 2 * math.pi), grid)


def candidates(geometry: Geometry, grid: Grid, device: torch.device) -> Candidates:
    """Our own projector, and its yardstick."""
    return {
        OWN: lambda: make_operator(geometry, grid, device),
        "torch grid_sample": lambda: GridSampleProjector(geometry, grid, device),
    }


def compare_projectors(
    grid: Grid,
    view_counts: tuple[int, ...],
    repeats: int,
    device: torch.device,
    say: Callable[[str], None],
    others: Others = lambda geometry, grid, device: {},
) -> tuple[list[dict[str, Any]], list[str]]:
    """Seconds for the whole stack, and ratios to our own: a row per geometry, number of views and candidate; notes.

    A candidate that would need more than `PATIENCE` seconds, judged by fewer views, is left out with a note.

    Args:
        grid: the volume's.
        view_counts: how many views, each for every geometry.
        repeats: calls whose median is taken.
        device: where ours computes.
        say: told what is being timed.
        others: further candidates for a geometry, none of them known to the package.
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
            geometry = scan_of(kind, views, grid)
            made = {**candidates(geometry, grid, device), **others(geometry, grid, device)}
            rows += _compare(
                kind, geometry, grid, repeats, device, {n: m for n, m in made.items() if n not in hopeless}
            )
    return rows, notes


def _compare(
    kind: str, geometry: Geometry, grid: Grid, repeats: int, device: torch.device, makers: Candidates
) -> list[dict[str, Any]]:
    x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0)).to(device)
    made: dict[str, Projector] = {}
    setup = {}
    for name, make in makers.items():
        started = time.perf_counter()
        made[name] = make()
        setup[name] = time.perf_counter() - started
    y = made[OWN].forward(x)
    forward = interleaved({n: partial(p.forward, x) for n, p in made.items()}, repeats, device)
    adjoint = interleaved({n: partial(p.adjoint, y) for n, p in made.items()}, repeats, device)
    return [
        {
            "geometry": kind,
            "views": geometry.views,
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
