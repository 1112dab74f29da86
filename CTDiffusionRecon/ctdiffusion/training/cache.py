"""The training cache: CT volumes as plain int16 arrays in HU with an index, readable with numpy alone.

A cache is a folder with `index.json`, one `<name>.npy` per volume, `[slice, row, column]`, and `images.json`, the
record of the files it was made from. It is made once, on a machine that can read NIfTI, and can then travel to a bare
GPU machine.
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

from ..jobs.provenance import sha256_array, sha256_file

INDEX_FILE = "index.json"
IMAGES_FILE = "images.json"


@dataclass(frozen=True)
class CachedVolume:
    """One line of the index.

    `spacing` is the pixel size in mm; `contiguous` is false for unrelated stacked slices; `sha256` is that of the
    voxels, empty in caches written before it was kept.
    """

    name: str
    patient: str
    slices: int
    rows: int
    columns: int
    spacing: float
    contiguous: bool
    sha256: str = ""


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
    from .loading import ct_volume, mr_planes

    folder.mkdir(parents=True, exist_ok=True)
    index: list[CachedVolume] = []
    ordered = sorted(sources)
    items = map(ct_volume, ordered) if modality == "CT" else (p for path in ordered for p in mr_planes(path))
    for item in items:
        array = np.asarray(item["array"]).astype(np.int16)
        name = item["path"].name.split(".")[0] + item.get("plane", "")
        if any(entry.name == name for entry in index):
            raise ValueError(f"data: two volumes are called {name}")
        np.save(folder / f"{name}.npy", array)
        count, rows, columns = array.shape
        contiguous = not name.startswith("siim_tcga")
        spacing = float(item["spacing"])
        index.append(
            CachedVolume(name, patient_of(name), count, rows, columns, spacing, contiguous, sha256_array(array))
        )
    record = {"modality": modality, "images": {path.name: sha256_file(path) for path in sources}}
    (folder / IMAGES_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    # Last: a folder with an index is a whole cache.
    (folder / INDEX_FILE).write_text(json.dumps([asdict(entry) for entry in index], indent=1), encoding="utf-8")
    return index


def check_cache(folder: Path, sources: Sequence[Path], modality: str) -> None:
    """Refuse a cache that was made from other images than `sources`.

    Raises:
        ValueError: it was; the text names the folder and what differs.
    """
    from .madefrom import names_differ, refuse_if

    if (folder / IMAGES_FILE).is_file():
        record = json.loads((folder / IMAGES_FILE).read_text(encoding="utf-8"))
        wanted = {path.name: sha256_file(path) for path in sources}
        images = record["images"]
        changed = [name for name in images.keys() & wanted.keys() if images[name] != wanted[name]]
        differences = names_differ(images, wanted, changed)
        if record["modality"] != modality:
            differences.append(f"for {record['modality']}, not {modality}")
    else:
        names = [entry["name"] for entry in json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))]
        stems = (name if modality == "CT" else name.rpartition("_")[0] for name in names)
        differences = names_differ(stems, (path.name.split(".")[0] for path in sources))
    refuse_if(folder, differences)


def read_cache(folder: Path) -> list[tuple[CachedVolume, NDArray[np.int16]]]:
    """Open a cache with its volumes memory-mapped.

    Raises:
        FileNotFoundError: the folder holds no `index.json`.
    """
    entries = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    return [
        (CachedVolume(**entry), np.load(folder / f"{entry['name']}.npy", mmap_mode="r")) for entry in entries
    ]


def full_field(
    volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]], size: int
) -> list[tuple[CachedVolume, NDArray[np.int16]]]:
    """The volumes whose slices have `size` x `size` pixels.

    Raises:
        ValueError: there is none.
    """
    full = [(entry, array) for entry, array in volumes if array.shape[1:] == (size, size)]
    if not full:
        raise ValueError(f"data: no volume of {size} x {size} pixels")
    return full


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
