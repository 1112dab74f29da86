"""Where prior packs lie: folders that the user names, the user's own, and those that ship."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from ...core.folders import resource_folders

VARIABLE = "CTDIFFUSION_PRIORS"
SHIPPED = "Priors"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]")


def pack_folders() -> list[Path]:
    """Where packs are looked for, first to last; only folders that exist."""
    return [folder for folder in [*_named(), _personal(), *resource_folders(SHIPPED)] if folder.is_dir()]


def user_folder() -> Path:
    """Where imported packs go: the first folder in CTDIFFUSION_PRIORS, else the user's own data folder."""
    return (_named() or [_personal()])[0]


def check_name(name: str) -> None:
    """Refuse a name that a pack's folder cannot have everywhere.

    Raises:
        ValueError: says which names are taken.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"name: 2 to 64 small letters, digits, dots, dashes and underscores, got {name!r}")


def is_shipped(pack: Path) -> bool:
    """Whether a pack's folder is one that came with the program."""
    return pack.resolve().parent in [folder.resolve() for folder in resource_folders(SHIPPED)]


def _named() -> list[Path]:
    return [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]


def _personal() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "ctdiffusion" / "priors"


