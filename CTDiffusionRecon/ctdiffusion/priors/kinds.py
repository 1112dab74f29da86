"""The kinds of priors that methods ask for, and the one way from a method's need to a loaded pack."""

from __future__ import annotations

from pathlib import Path

import torch

from .kind_names import RESTORATION, WORDS, kind_from
from .packs.pack import find_packs, load_pack, locate_pack, read_info
from .prior import Prior, PriorInfo
from .restorer import Restorer

AnyPrior = Prior | Restorer


def kind_of(info: PriorInfo) -> str:
    """The kind of a pack, from its metadata."""
    return kind_from(info.parametrisation, info.domain)


def check_kind(info: PriorInfo, kind: str, method: str) -> None:
    """Refuse a prior of another kind than the method's.

    Raises:
        ValueError: it is one; the text says what is needed.
    """
    if kind_of(info) != kind:
        raise ValueError(f"prior: {info.name} is {WORDS[kind_of(info)]}, method {method} needs {WORDS[kind]}")


def load_prior(name: str | None, kind: str, default: str, method: str, device: torch.device | str) -> AnyPrior:
    """The prior pack of that name or folder; None takes `default`, or the first one of the kind that is installed.

    Raises:
        ValueError: there is none, it is damaged or of another kind.
    """
    folder, info = find_prior(name, kind, default, method)
    return load_any(folder, device, info)


def find_prior(name: str | None, kind: str, default: str, method: str) -> tuple[Path, PriorInfo]:
    """The folder and the metadata of the pack that `load_prior` would load; its weights are not read.

    Raises:
        ValueError: there is none, it is damaged or of another kind.
    """
    folder = locate_pack(name) if name is not None else _installed(kind, default, method)
    info = read_info(folder)
    check_kind(info, kind, method)
    return folder, info


def load_any(folder: Path, device: torch.device | str, info: PriorInfo | None = None) -> AnyPrior:
    """The pack in `folder`, of whatever kind; `info` is its metadata where they have been read before.

    Raises:
        ValueError: it is damaged.
    """
    info = info or read_info(folder)
    return Restorer.load(folder, device, info) if kind_of(info) == RESTORATION else load_pack(folder, device, info)


def _installed(kind: str, default: str, method: str) -> Path:
    packs = find_packs()
    if default in packs:
        return packs[default]
    for folder in packs.values():
        try:
            info = read_info(folder)
        except ValueError:
            continue
        if kind_of(info) == kind and info.modality == "CT":
            return folder
    raise ValueError(f"prior: method {method} needs {WORDS[kind]}, and none is installed; name the folder of one")
