"""The training cache: CT volumes as int16 arrays in HU with an index, readable with numpy alone.

A cache is a folder with `index.json`, one file per volume, `[slice, row, column]`, and `images.json`, the record of
the files it was made from. The volumes are `<name>.npy`, which is mapped into memory, or, in a compact cache, the
coded slices `<name>.slices` (see `compact`), in steps of some HU. A cache is made once, on a machine that can read
NIfTI, and can then travel to a bare GPU machine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.regularfile import sha256_file
from ..jobs.provenance import sha256_array
from .coded import read_coded, step_for, write_coded

INDEX_FILE = "index.json"
IMAGES_FILE = "images.json"
# Names of stacks of slices that have nothing to do with each other begin so.
UNRELATED = ("siim_tcga", "tcia_singles")


@dataclass(frozen=True)
class CachedVolume:
    """One line of the index.

    `spacing` is the pixel size in mm; `contiguous` is false for unrelated stacked slices; `sha256` is that of the
    voxels, empty in caches written before it was kept; `thickness` is the slice distance in mm, 0 where it was not
    kept; `step` is 0 for an array file, else that of the coded values in HU, whose slices take `parts` bytes each.
    """

    name: str
    patient: str
    slices: int
    rows: int
    columns: int
    spacing: float
    contiguous: bool
    sha256: str = ""
    thickness: float = 0.0
    step: int = 0
    parts: tuple[int, ...] = ()


def patient_of(name: str) -> str:
    """Name of the patient behind a volume: everything up to the first number of three digits or more.

    `acrin_flt_001_2` and `acrin_flt_001_chest` are one patient, and so are `crlm_1006_256` and `crlm_1006_512`.
    """
    found = re.match(r"(.*?\d{3,})", name)
    return found.group(1) if found else name


def write_cache(
    sources: Sequence[Path],
    folder: Path,
    modality: str = "CT",
    step: int | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> list[CachedVolume]:
    """Read volumes and write a cache: CT in 12-bit HU, MR in per mille of each volume's robust maximum.

    An MR volume enters once for each of its three planes that has square pixels, as `NAME_axial` and so on. A volume
    whose name begins with one of `UNRELATED` is a stack of unrelated slices.

    Args:
        sources: the files.
        folder: where to write.
        modality: CT or MR.
        step: none for plain arrays, else a compact cache of values in steps of so many HU (or per mille); 0 takes for
            each volume 4, 8 or 16, the largest below the noise that its slices carry.
        report: is told which volume is being read.

    Raises:
        ValueError: a volume that cannot be read, or two of the same name.
    """
    from .loading import ct_volume, mr_planes

    folder.mkdir(parents=True, exist_ok=True)
    index: list[CachedVolume] = []
    ordered = sorted(sources)
    for number, path in enumerate(ordered, 1):
        report(f"reading {path.name}, {number} of {len(ordered)}")
        for item in [ct_volume(path)] if modality == "CT" else mr_planes(path):
            array = np.asarray(item["array"]).astype(np.int16)
            name = item["path"].name.split(".")[0] + item.get("plane", "")
            if any(entry.name == name for entry in index):
                raise ValueError(f"data: two volumes are called {name}")
            stored, own = array, 0
            parts: tuple[int, ...] = ()
            if step is None:
                np.save(folder / f"{name}.npy", array)
            else:
                own = step or step_for(array)
                stored, parts = write_coded(folder / f"{name}.slices", array, own)
            count, rows, columns = array.shape
            entry = CachedVolume(
                name, patient_of(name), count, rows, columns, float(item["spacing"]), not name.startswith(UNRELATED),
                sha256_array(stored), float(item["thickness"]), own, parts,
            )  # fmt: skip
            index.append(entry)
    record = {"modality": modality, "step": step, "images": {path.name: sha256_file(path) for path in sources}}
    (folder / IMAGES_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    # Last: a folder with an index is a whole cache.
    (folder / INDEX_FILE).write_text(json.dumps([asdict(entry) for entry in index]), encoding="utf-8")
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
    """Open a cache: arrays are memory-mapped, coded slices decoded.

    Raises:
        FileNotFoundError: the folder holds no `index.json`, or lacks a volume of it.
        ValueError: an index or a volume that is damaged.
    """
    try:
        entries = [CachedVolume(**entry) for entry in json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))]
    except (TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"data: {folder / INDEX_FILE} is not the index of a cache: {error}") from None
    return [(entry, _array(folder, entry)) for entry in entries]


def _array(folder: Path, entry: CachedVolume) -> NDArray[np.int16]:
    path = folder / f"{entry.name}.npy"
    if entry.step:
        return read_coded(folder / f"{entry.name}.slices", entry)
    try:
        array: NDArray[np.int16] = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"data: {path} is damaged: {error}") from None
    if array.shape != (entry.slices, entry.rows, entry.columns):
        raise ValueError(f"data: {path} holds an array of shape {array.shape}, not what its index says")
    return array


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
