"""What a training cache was made from, and the refusal of one that was made from something else.

A cache is found again by its folder alone, so that other data or another scan would be answered with the old examples.
Each keeps a record instead. One without (written before there were records) is taken if what it does tell fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import CachedVolume

# What of a volume's line in the index decides about the examples made from it.
FACTS = ("slices", "rows", "columns", "spacing", "contiguous", "sha256")


def volumes_record(entries: Iterable[CachedVolume]) -> dict[str, dict[str, Any]]:
    """The volumes that examples were made from, by name."""
    return {entry.name: {key: asdict(entry)[key] for key in FACTS} for entry in entries}


def volumes_differ(recorded: Mapping[str, Mapping[str, Any]], entries: Sequence[CachedVolume]) -> list[str]:
    """What differs between the volumes recorded and those at hand. An empty hash is one that was never taken."""
    wanted = volumes_record(entries)
    changed = [
        name
        for name in recorded.keys() & wanted.keys()
        if any(
            recorded[name].get(key, value) != value
            for key, value in wanted[name].items()
            if key != "sha256" or (value and recorded[name].get(key))
        )
    ]
    return names_differ(recorded, wanted, changed)


def names_differ(recorded: Iterable[str], wanted: Iterable[str], changed: Iterable[str] = ()) -> list[str]:
    """What differs, in words that follow 'was made'; `changed` are names on both sides whose contents differ."""
    was, now = set(recorded), set(wanted)
    groups = (("without", now - was), ("with", was - now), ("from another", set(changed)))
    return [f"{word} {_some(names)}" for word, names in groups if names]


def spacings_of(entries: Sequence[CachedVolume], counts: Sequence[int]) -> NDArray[np.float64]:
    """Pixel size in mm of every slice, `counts` of each volume."""
    return np.repeat([entry.spacing for entry in entries], counts)


def refuse_if(folder: Path, differences: Sequence[str]) -> None:
    """Refuse the cache in `folder`.

    Raises:
        ValueError: there are differences.
    """
    if differences:
        raise ValueError(
            f"data: the cache {folder} was made {', '.join(differences)}: remove it or choose another --work"
        )


def _some(names: set[str]) -> str:
    first = min(names)
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"
