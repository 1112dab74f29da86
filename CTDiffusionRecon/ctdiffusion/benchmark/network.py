"""Seconds per slice-evaluation of the shipped priors, and where the time of a diffusion reconstruction goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.monitor import Monitor
from ..core.noise import NoiseSource
from ..core.units import AttenuationScale
from ..images.volume import Volume, read_volume, write_volume
from ..methods.problem import Problem
from ..methods.registry import method_named
from ..operators.factory import make_operator
from ..priors.kind_names import IMAGE
from ..priors.kinds import kind_of
from ..priors.packs.pack import find_packs, load_pack, read_info
from ..priors.prior import Prior
from ..scan.beams import Grid
from ..scan.projections import Projections
from .projectors import scan_of
from .timing import interleaved


class Stopwatch(Monitor):
    """Adds up the seconds a method spends in each part."""

    def __init__(self) -> None:
        self.seconds = {"network": 0.0, "projector": 0.0, "io": 0.0}

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - started


def networks(
    grid: Grid, steps: int, repeats: int, device: torch.device, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A row per prior of CT images, and notes on what could not be measured."""
    rows, notes = [], []
    packs = find_packs()
    if not packs:
        notes.append("no prior pack found: networks were not timed")
    for name, folder in packs.items():
        try:
            info = read_info(folder)
            if kind_of(info) != IMAGE or info.modality != "CT":
                continue
            say(f"network: {name}")
            prior = load_pack(folder, device)
        except (ValueError, OSError) as error:
            notes.append(f"prior {name} was not timed: {error}")
            continue
        x = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0)).to(device)
        calls = {"network": partial(prior.predict_x0, x, 0.1, grid.spacing[2])}
        timing = interleaved(calls, repeats, device)["network"]
        rows.append(
            {
                "prior": name,
                "shape": list(grid.shape),
                "seconds_per_slice": timing.seconds / grid.shape[0],
                "runs": timing.runs,
                "split": split(prior, grid, steps, device),
            }
        )
    return rows, notes


def split(prior: Prior, grid: Grid, steps: int, device: torch.device) -> dict[str, Any]:
    """Seconds of DDS from 30 fan-beam views in network, projector, reading and writing, and everything else."""
    from ..jobs.provenance import peak_memory

    method = method_named("dds")
    scale, watch = AttenuationScale(), Stopwatch()
    started = time.perf_counter()
    geometry = scan_of("fan", 30, grid)
    with watch.timed("projector"):
        operator = make_operator(geometry, grid, device)
        data = operator.forward(scale.to_mu(phantom(grid)).to(device))
    projections = Projections(data, geometry, simulated=True, noise_free=True, scale=scale)
    problem = Problem(projections, operator, grid, NoiseSource(0), watch, prior)
    with torch.no_grad():
        mu = method.run(problem, method.parameters(steps=steps))
    with watch.timed("io"), tempfile.TemporaryDirectory() as folder:
        dz, dy, dx = grid.spacing
        volume = Volume(scale.to_hu(mu.cpu()).numpy().astype(np.float32), (dx, dy, dz))
        write_volume(volume, Path(folder) / "volume.nrrd")
        read_volume(Path(folder) / "volume.nrrd")
    total = time.perf_counter() - started
    other = total - sum(watch.seconds.values())
    memory = {f"peak_{name}": value for name, value in peak_memory(device).items()}
    parts = {f"{part}_s": seconds for part, seconds in watch.seconds.items()}
    return {"method": "dds", "steps": steps, "views": 30, "total_s": total, **parts, "other_s": other, **memory}


def phantom(grid: Grid) -> torch.Tensor:
    """A crude chest in HU `[slice, row, column]`: a body with two lungs and a spine."""
    _, rows, columns = grid.shape
    y = torch.linspace(-1, 1, rows)[:, None]
    x = torch.linspace(-1, 1, columns)[None, :]
    hu = torch.full((rows, columns), -1000.0)
    for value, cx, cy, a, b in (
        (40.0, 0.0, 0.0, 0.85, 0.65),
        (-850.0, -0.38, -0.05, 0.26, 0.42),
        (-850.0, 0.38, -0.05, 0.26, 0.42),
        (500.0, 0.0, 0.42, 0.1, 0.1),
    ):
        hu[((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1.0] = value
    return hu.expand(grid.shape).contiguous()
