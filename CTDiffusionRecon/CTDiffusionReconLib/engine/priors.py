"""The prior packs that the engine finds, for the panel; there before torch is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctdiffusion.core.strictjson import read_object
from ctdiffusion.priors.packs.folders import pack_folders

from .engine import Engine


def prior_folders(engine: Engine) -> list[Path]:
    """Where the engine looks for prior packs, first match first."""
    chosen = [Path(folder) for folder in engine.priors]
    return [folder for folder in [*chosen, *pack_folders()] if folder.is_dir()]


def find_priors(engine: Engine) -> list[dict[str, Any]]:
    """Every prior pack: its metadata with `folder`, and `error` (one line, or None) where it is damaged.

    Only what can be seen at once is looked at; the engine checks the weights' SHA-256 before it uses them.
    """
    found: dict[str, dict[str, Any]] = {}
    for place in prior_folders(engine):
        for metadata in sorted(place.glob("*/prior.json")):
            found.setdefault(metadata.parent.name, _prior(metadata))
    return [found[name] for name in sorted(found)]


def _prior(metadata: Path) -> dict[str, Any]:
    folder = metadata.parent
    weights = folder / "weights.safetensors"
    values: dict[str, Any] = {}
    error: str | None = None
    try:
        values = read_object(metadata)
        if not weights.is_file() or weights.stat().st_size < 8:
            error = f"{folder.name}: the weights are missing or empty"
    except (OSError, ValueError) as problem:
        error = f"{folder.name}: {problem}"
    return {**values, "name": folder.name, "folder": str(folder), "error": error}
