"""Deleting a pack that was imported; those that ship, and folders that hold anything else, are left alone."""

from __future__ import annotations

import os
from pathlib import Path

from ...core.atomic import TEMPORARY
from .folders import is_shipped
from .pack import METADATA_FILE, WEIGHTS_FILE, find_packs, read_info


def remove_pack(name: str) -> Path:
    """Delete an imported pack; returns the folder that is gone.

    Raises:
        ValueError: there is no such pack, it came with the program, was not imported, or its folder holds other files.
        OSError: it cannot be deleted.
    """
    packs = find_packs()
    if name not in packs:
        raise ValueError(f"prior: no pack named {name!r} (found: {', '.join(packs) or 'none'})")
    folder = packs[name]
    if is_shipped(folder):
        raise ValueError(f"prior: {name} came with the program and is not removed")
    if folder.is_symlink() or not read_info(folder).origin:
        raise ValueError(f"prior: {name} was not imported by this program; delete {folder} yourself")
    others = sorted({path.name for path in folder.iterdir()} - {METADATA_FILE, WEIGHTS_FILE})
    if others:
        raise ValueError(f"prior: {folder} holds {others[0]!r}, which is not part of a pack; delete it yourself")
    # Away with the name first: a pack is there whole or not at all.
    doomed = folder.with_name(f".{folder.name}.removed{TEMPORARY}")
    os.rename(folder, doomed)
    for file in (METADATA_FILE, WEIGHTS_FILE):
        (doomed / file).unlink(missing_ok=True)
    doomed.rmdir()
    return folder
