"""The degradations of a training set: every slice as sparse scans of several view counts show it, as plain arrays.

A folder with `degradations.json`, `clean.npy` (int16 HU), `degraded.npy` (int16, 1/4 HU) and `slices.npy`; made once on
a machine with the packages of a reconstruction, readable with numpy alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..operators.base import LinearOperator
from ..operators.factory import make_operator
from ..scan.beams import Geometry, Grid, equispaced
from ..scan.machines import default_geometry, reference_fan
from .cache import CachedVolume, full_field
from .madefrom import refuse_if, spacings_of, volumes_differ, volumes_record

INDEX_FILE = "degradations.json"
# Degraded images are kept in quarters of a HU, so that int16 reaches the streaks of ten views.
PARTS = 4.0
# The beams of the training scans. Most slices of a volume are scanned with the first, the others with one of the rest.
BEAMS = ("reference", "parallel", "diagnostic")
REFERENCE_SHARE = 0.6
# Above so many views the object is scanned on its own grid: its discretisation no longer shows beside the anatomy.
FINE_VIEWS = 100
# Slices of a volume at most.
SLICES = 64


@dataclass(frozen=True)
class Degradations:
    """An open store.

    Attributes:
        views: views per full turn of each level.
        clean: HU, `[slice, row, column]`.
        degraded: `PARTS` x HU, `[level, slice, row, column]`.
        beam: index into `BEAMS`, `[level, slice]`.
        spacing: pixel size in mm, `[slice]`.
        weight: how often a slice is to be drawn, `[slice]`; sums to 1.
    """

    views: tuple[int, ...]
    clean: NDArray[np.int16]
    degraded: NDArray[np.int16]
    beam: NDArray[np.int64]
    spacing: NDArray[np.float64]
    weight: NDArray[np.float64]


def scan_of(beam: str, views: int, grid: Grid) -> Geometry:
    """The scan of `beam` with `views` per full turn; a parallel beam sees half of them on half a turn.

    Raises:
        ValueError: a beam that is not in `BEAMS`.
    """
    if beam == "reference":
        return reference_fan(equispaced(views), grid)
    if beam not in BEAMS:
        raise ValueError(f"beam: {beam!r} is unknown (known: {', '.join(BEAMS)})")
    if beam == "parallel":
        return default_geometry("parallel", equispaced(max(1, views // 2), np.pi), grid)
    return default_geometry("fan", equispaced(views), grid)


def write_degradations(
    volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]],
    views: Sequence[int],
    folder: Path,
    size: int = 256,
    slices: int = SLICES,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> Degradations:
    """Scan evenly spaced slices of every full-field volume of `size` x `size` pixels at every view count.

    Volumes of other sizes are left out: their border cuts the body, or they show the same patients once more.

    Args:
        slices: at most so many of a volume; a stack of unrelated slices enters whole.

    Raises:
        ValueError: no volume of that size.
    """
    full = full_field(volumes, size)
    picks = _picks(full, slices)
    total = sum(len(pick) for pick in picks)
    folder.mkdir(parents=True, exist_ok=True)
    clean = np.lib.format.open_memmap(folder / "clean.npy", "w+", np.int16, (total, size, size))
    degraded = np.lib.format.open_memmap(folder / "degraded.npy", "w+", np.int16, (len(views), total, size, size))
    facts = np.zeros((total, 2 + len(views)))
    random = np.random.default_rng(seed)
    start = 0
    for (entry, array), pick in zip(full, picks, strict=True):
        stop = start + len(pick)
        hu = np.asarray(array[pick])
        clean[start:stop] = hu
        facts[start:stop, 0] = entry.spacing
        facts[start:stop, 1] = entry.slices**0.5 / len(pick)
        for level, count in enumerate(views):
            degraded[level, start:stop], facts[start:stop, 2 + level] = _scanned(hu, entry.spacing, count, random)
        report(f"{entry.name}: {len(pick)} slices at {len(views)} view counts")
        start = stop
    facts[:, 1] /= facts[:, 1].sum()
    np.save(folder / "slices.npy", facts)
    clean.flush()
    degraded.flush()
    entries = [entry for entry, _ in full]
    record = {"views": list(views), "size": size, "slices": slices, "volumes": volumes_record(entries)}
    (folder / INDEX_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return read_degradations(folder)


def check_degradations(
    folder: Path, volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]], views: Sequence[int], size: int = 256
) -> None:
    """Refuse a store that lacks one of `views` or was made from other volumes than `write_degradations` would take.

    Raises:
        ValueError: it does or was, and the text names the folder and what differs; no volume of that size.
    """
    full = full_field(volumes, size)
    record = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    differences = []
    if missing := [v for v in views if v not in record["views"]]:
        differences.append(f"without scans of {', '.join(map(str, missing))} views")
    found = np.load(folder / "clean.npy", mmap_mode="r").shape[1]
    if found != size:
        differences.append(f"of slices of {found} pixels, not {size}")
    if "volumes" in record:
        differences += volumes_differ(record["volumes"], [entry for entry, _ in full])
    else:
        expected = spacings_of([entry for entry, _ in full], [len(pick) for pick in _picks(full, SLICES)])
        if not np.array_equal(np.load(folder / "slices.npy")[:, 0], expected):
            differences.append("from other volumes")
    refuse_if(folder, differences)


def read_degradations(folder: Path) -> Degradations:
    """Open a store, memory-mapped.

    Raises:
        FileNotFoundError: the folder holds none.
    """
    views = tuple(json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))["views"])
    facts = np.load(folder / "slices.npy")
    return Degradations(
        views,
        np.load(folder / "clean.npy", mmap_mode="r"),
        np.load(folder / "degraded.npy", mmap_mode="r"),
        facts[:, 2:].T.astype(np.int64),
        facts[:, 0],
        facts[:, 1],
    )


def slice_grid(size: int, spacing: float) -> Grid:
    """The grid of one square slice with pixels of `spacing` mm."""
    return Grid((1, size, size), (1.0, spacing, spacing))


def degraded_hu(operator: LinearOperator, hu: Tensor) -> Tensor:
    """D(x) = FBP(A x) of slices in HU, for the scan of `operator`."""
    from ..core.units import AttenuationScale

    scale = AttenuationScale()
    return scale.to_hu(operator.fbp(operator.forward(scale.to_mu(hu))))


def _picks(full: Sequence[tuple[CachedVolume, NDArray[np.int16]]], slices: int) -> list[NDArray[np.int64]]:
    """Which slices of each volume are scanned."""
    return [_evenly(entry.slices, slices if entry.contiguous else entry.slices) for entry, _ in full]


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    kept = min(count, most)
    return np.floor((np.arange(kept) + 0.5) * count / kept).astype(np.int64)


def _scanned(
    hu: NDArray[np.int16], spacing: float, views: int, random: np.random.Generator
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """The slices as their sparse scans show them, and which beam each was scanned with."""
    from ..acquisition.settings import SimulationSettings
    from ..acquisition.simulate import simulate
    from ..images.volume import Volume

    out = np.empty(hu.shape, np.int16)
    beams = np.empty(len(hu), np.int64)
    order = random.permutation(len(hu))
    most = round(REFERENCE_SHARE * len(hu))
    grid = slice_grid(hu.shape[1], spacing)
    for beam, members in ((0, order[:most]), (int(random.integers(1, len(BEAMS))), order[most:])):
        if not len(members):
            continue
        beams[members] = beam
        geometry = scan_of(BEAMS[beam], views, grid)
        # Half of all scans have the noise of 100,000 photons a ray, half have none.
        settings = SimulationSettings(noise=bool(random.random() < 0.5), same_grid=views > FINE_VIEWS)
        volume = Volume(hu[members].astype(np.float32), (spacing, spacing, 1.0))
        measured = simulate(volume, geometry, settings, int(random.integers(2**31)))
        image = measured.scale.to_hu(make_operator(geometry, grid, memory_limit=0).fbp(measured.data))
        out[members] = torch.round(PARTS * image).clamp(-32768, 32767).to(torch.int16).numpy()
    return out, beams
