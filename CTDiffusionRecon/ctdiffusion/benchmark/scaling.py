"""How cost and memory grow with slices, views and size."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch

from ..jobs.provenance import peak_process_bytes
from ..operators.factory import make_operator
from ..scan.beams import Grid
from .projectors import scan_of
from .timing import interleaved

SCALED_KINDS = ("fan", "cone")


@dataclass(frozen=True)
class Sweep:
    """Points of one scaling study, from `grid` at `views` views, one quantity varied at a time."""

    grid: Grid
    views: int
    slice_counts: tuple[int, ...]
    view_counts: tuple[int, ...]
    sizes: tuple[int, ...]

    def points(self) -> list[tuple[str, int, Grid, int]]:
        """(what varies, its value, grid, views)."""
        slices, rows, columns = self.grid.shape
        points = [("slices", n, replace(self.grid, shape=(n, rows, columns)), self.views) for n in self.slice_counts]
        points += [("views", n, self.grid, n) for n in self.view_counts]
        for n in self.sizes:
            # The same field of view in finer pixels.
            dz, dy, dx = self.grid.spacing
            finer = Grid((slices, n, n), (dz, dy * rows / n, dx * columns / n))
            points.append(("size", n, finer, self.views))
        return points


def scaling(
    sweep: Sweep, repeats: int, device: torch.device, say: Callable[[str], None], memory: bool = True
) -> list[dict[str, Any]]:
    """One row per point: seconds to make the operator, forward, adjoint and FBP; peak memory of a fresh process.

    Without `memory`, no processes are started (each has to import torch) and the peaks are None.
    """
    rows = []
    for kind in SCALED_KINDS:
        for varied, value, grid, views in sweep.points():
            say(f"scaling: {kind}, {varied} = {value}")
            geometry = scan_of(kind, views, grid)
            started = time.perf_counter()
            operator = make_operator(geometry, grid, device)
            setup = time.perf_counter() - started
            x = torch.rand(grid.shape).to(device)
            y = operator.forward(x)
            calls = {
                "forward_s": partial(operator.forward, x),
                "adjoint_s": partial(operator.adjoint, y),
                "fbp_s": partial(operator.fbp, y),
            }
            times = {name: timing.seconds for name, timing in interleaved(calls, repeats, device).items()}
            row = {"geometry": kind, "varied": varied, "value": value, "shape": list(grid.shape), "views": views}
            rows.append({**row, "backend": operator.backend, "setup_s": setup, **times, "peak_bytes": None})
            if memory and device.type == "cpu":
                del operator, x, y, calls
                rows[-1]["peak_bytes"] = peak_bytes(kind, views, grid)
    return rows


def peak_bytes(kind: str, views: int, grid: Grid) -> int | None:
    """Peak memory of a fresh process that makes the operator and applies it once each way, its start excluded."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, kind, views, grid).result()


def _peak(kind: str, views: int, grid: Grid) -> int | None:
    small = Grid((1, 8, 8), grid.spacing)
    _once(kind, 2, small)
    before = peak_process_bytes()
    _once(kind, views, grid)
    after = peak_process_bytes()
    return None if before is None or after is None else after - before


def _once(kind: str, views: int, grid: Grid) -> None:
    operator = make_operator(scan_of(kind, views, grid), grid)
    operator.adjoint(operator.forward(torch.ones(grid.shape)))
