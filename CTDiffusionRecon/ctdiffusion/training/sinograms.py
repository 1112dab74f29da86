"""Training examples in the sinogram domain: windows of full-turn sinograms and of their ordered subsets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from .cache import CachedVolume, full_field
from .degradations import SLICES, scan_of, slice_grid
from .loop import Batch
from .madefrom import refuse_if, volumes_differ, volumes_record

INDEX_FILE = "sinograms.json"
# Line integrals are kept in thousandths.
PARTS = 1000.0
# Labels of a sinogram prior: every view (the paper's FDM), every SUBSET-th view (SDM).
FULL, SPARSE = 0, 1
SUBSET = 6


@dataclass(frozen=True)
class Sinograms:
    """An open store: line integrals x PARTS `[slice, view, column]` of a full turn, and how often to draw a slice."""

    data: NDArray[np.int16]
    weight: NDArray[np.float64]


def write_sinograms(
    volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]],
    folder: Path,
    views: int,
    columns: int,
    size: int = 256,
    slices: int = SLICES,
    report: Callable[[str], None] = print,
) -> Sinograms:
    """Project evenly spaced slices of every full-field volume, by the reference fan and (one in three) parallel beams.


    A parallel beam's half turn is completed by its mirror image, so both beams have `views` on a full turn.

    Raises:
        ValueError: no volume of `size` x `size` pixels.
    """
    from ..acquisition.settings import SimulationSettings
    from ..acquisition.simulate import simulate
    from ..images.volume import Volume

    full = full_field(volumes, size)
    counts = _counts(full, slices)
    folder.mkdir(parents=True, exist_ok=True)
    out = np.lib.format.open_memmap(folder / "sinograms.npy", "w+", np.int16, (sum(counts), views, columns))
    weight = np.concatenate([np.full(n, entry.slices**0.5 / n) for n, (entry, _) in zip(counts, full, strict=True)])
    start = 0
    for count, (entry, array) in zip(counts, full, strict=True):
        pick = np.floor((np.arange(count) + 0.5) * entry.slices / count).astype(int)
        for offset, beam in ((0, "reference"), (1, "reference"), (2, "parallel")):
            chosen = pick[offset::3]
            if not len(chosen):
                continue
            geometry = replace(scan_of(beam, views, slice_grid(size, entry.spacing)), columns=columns)
            volume = Volume(array[chosen].astype(np.float32), (entry.spacing, entry.spacing, 1.0))
            data = simulate(volume, geometry, SimulationSettings(noise=False, same_grid=True), 0).data.numpy()
            if beam == "parallel":
                data = np.concatenate([data, data[:, :, ::-1]], axis=1)
            out[start + offset : start + count : 3] = np.round(data * PARTS).clip(0, 32767)
        report(f"{entry.name}: {count} sinograms")
        start += count
    out.flush()
    np.save(folder / "weight.npy", weight / weight.sum())
    entries = [entry for entry, _ in full]
    record = {
        "views": views, "columns": columns, "size": size, "slices": slices, "volumes": volumes_record(entries)
    }  # fmt: skip
    (folder / INDEX_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return read_sinograms(folder)


def check_sinograms(
    folder: Path, volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]], views: int, columns: int, size: int = 256
) -> None:
    """Refuse a store of other views or columns, or made from other volumes than `write_sinograms` would take.

    Raises:
        ValueError: it is one, and the text names the folder and what differs; no volume of that size.
    """
    full = full_field(volumes, size)
    record = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    wanted = {"views": views, "columns": columns, "size": size}
    differences = [
        f"with {name} {record[name]}, not {value}" for name, value in wanted.items() if record.get(name, value) != value
    ]
    if "volumes" in record:
        differences += volumes_differ(record["volumes"], [entry for entry, _ in full])
    else:
        stored = len(np.load(folder / "weight.npy"))
        if stored != sum(_counts(full, SLICES)):
            differences.append("from other volumes")
    refuse_if(folder, differences)


def read_sinograms(folder: Path) -> Sinograms:
    """Open a store, memory-mapped.

    Raises:
        FileNotFoundError: the folder holds none.
    """
    return Sinograms(np.load(folder / "sinograms.npy", mmap_mode="r"), np.load(folder / "weight.npy"))


def _counts(full: Sequence[tuple[CachedVolume, NDArray[np.int16]]], slices: int) -> list[int]:
    """How many slices of each volume are projected."""
    return [min(entry.slices, slices) if entry.contiguous else entry.slices for entry, _ in full]


class SinogramWindows(Dataset[Batch]):
    """Windows of `rows` successive views of a full sinogram (label FULL) or of a subset (SPARSE), in the prior's range.

    Views wrap around. Where a subset has fewer views than the window it wraps too, as the sampler's padding does. A
    function of (seed, index) alone; mirrored at random, which is the image's mirror image.
    """

    def __init__(
        self, store: Sinograms, largest: float, rows: int, seed: int, sparse: float = 0.4, subset: int = SUBSET
    ) -> None:
        self.store, self.largest, self.rows, self.seed = store, largest, rows, seed
        self.sparse, self.subset = sparse, subset

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> Batch:
        random = np.random.default_rng([self.seed, index])
        where = int(random.choice(len(self.store.weight), p=self.store.weight))
        views = self.store.data.shape[1]
        label = SPARSE if random.random() < self.sparse else FULL
        stride = self.subset if label == SPARSE else 1
        chosen = (int(random.integers(views)) + stride * np.arange(self.rows)) % views
        rows = self.store.data[where][chosen].astype(np.float32) / (PARTS * self.largest)
        if random.random() < 0.5:
            # The mirror image of a slice is scanned backwards with the detector mirrored.
            rows = rows[::-1, ::-1]
        return {
            "stack": torch.from_numpy(np.ascontiguousarray(rows))[None],
            "label": torch.tensor(label),
            "log_spacing": torch.tensor(0.0),
        }
