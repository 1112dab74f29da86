"""The user's own folder for what can be made again at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where it lies on this system; it need not exist."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "ctdiffusion"


def package_folder() -> Path:
    """The folder of this package, `ctdiffusion`."""
    return Path(__file__).resolve().parents[1]


def resource_folders(name: str) -> list[Path]:
    """Where `Resources/<name>` may lie: in the source tree, beside the package (Slicer), inside it (wheel)."""
    package = package_folder()
    return [root / "Resources" / name for root in (package.parents[1], package.parent, package)]
