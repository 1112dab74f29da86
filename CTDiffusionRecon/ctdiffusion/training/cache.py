"""The training cache: CT volumes as plain int16 arrays in HU with an index, readable with numpy alone.

A cache is a folder with `index.json` and one `<name>.npy` per volume, `[slice, row, column]`. It is made once, on a
machine that can read NIfTI, and can then travel to a bare GPU machine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CachedVolume:
    """One line of the index. `spacing` is the pixel size in mm; `contiguous` is false for unrelated stacked slices."""

    name: str
    patient: str
    slices: int
    rows: int
    columns: int
    spacing: float
    contiguous: bool


def patient_of(name: str) -> str:
    """Name of the patient behind a volume: everything up to the first number of three digits or more.

    `acrin_flt_001_2` and `acrin_flt_001_chest` are one patient, and so are `crlm_1006_256` and `crlm_1006_512`.
    """
    found = re.match(r"(.*?\d{3,})", name)
    return found.group(1) if found else name


def write_cache(sources: Sequence[Path], folder: Path, modality: str = "CT") -> list[CachedVolume]:
    """Read volumes and write a cache: CT in 12-bit HU, MR in per mille of each volume's robust maximum.

    An MR volume enters once for each of its three planes that has square pixels, as `NAME_axial` and so on. A volume
    whose name begins with `siim_tcga` is a stack of unrelated slices.

    Raises:
        ValueError: a volume that cannot be read, or two of the same name.
    """
    from .loading import mr_planes, volume_dataset

    folder.mkdir(parents=True, exist_ok=True)
    index: list[CachedVolume] = []
    items = volume_dataset(sources) if modality == "CT" else [plane for path in sources for plane in mr_planes(path)]
    for item in items:
        array = np.asarray(item["array"]).astype(np.int16)
        name = item["path"].name.split(".")[0] + item.get("plane", "")
        if any(entry.name == name for entry in index):
            raise ValueError(f"data: two volumes are called {name}")
        np.save(folder / f"{name}.npy", array)
        count, rows, columns = array.shape
        contiguous = not name.startswith("siim_tcga")
        index.append(CachedVolume(name, patient_of(name), count, rows, columns, float(item["spacing"]), contiguous))
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in index], indent=1), encoding="utf-8")
    return index


def read_cache(folder: Path) -> list[tuple[CachedVolume, NDArray[np.int16]]]:
    """Open a cache with its volumes memory-mapped.

    Raises:
        FileNotFoundError: the folder holds no `index.json`.
    """
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [
        (CachedVolume(**entry), np.load(folder / f"{entry['name']}.npy", mmap_mode="r")) for entry in entries
    ]


def held_out_patients(index: Sequence[CachedVolume], fraction: float) -> set[str]:
    """Patients kept away from training: by the hash of their name, until `fraction` of all slices is reached."""
    total = sum(entry.slices for entry in index)
    chosen: set[str] = set()
    count = 0
    for patient in sorted({entry.patient for entry in index}, key=lambda p: hashlib.sha256(p.encode()).hexdigest()):
        if count >= fraction * total:
            break
        chosen.add(patient)
        count += sum(entry.slices for entry in index if entry.patient == patient)
    return chosen
