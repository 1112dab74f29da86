"""Methods, parameters, scanners and priors for the panel, as plain dictionaries; there before torch is installed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ctdiffusion.commands.catalogue import catalogue
from ctdiffusion.core.strictjson import read_object
from ctdiffusion.priors.packs.folders import pack_folders

from .engine import Engine

_TYPES: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "bool": bool, "str": str}


@cache
def shipped_catalogue() -> dict[str, Any]:
    """What the engine offers, see `ctdiffusion.commands.catalogue.catalogue`; needs no torch."""
    return catalogue()


def method_named(catalogue: Mapping[str, Any], name: str, task: str = "methods") -> dict[str, Any]:
    """The method of that name among those of a task: `methods` (reconstruction) or `superresolution`.

    Raises:
        ValueError: there is none; the text lists those that exist.
    """
    known = {method["name"]: method for method in catalogue.get(task, [])}
    if name not in known:
        raise ValueError(f"method: {name!r} is unknown (known: {', '.join(known)})")
    return dict(known[name])


def defaults(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Names and default values of a list of parameters."""
    return {item["name"]: item["default"] for item in parameters}


def check_values(parameters: list[dict[str, Any]], values: Mapping[str, Any], where: str = "parameters") -> None:
    """Hold values against their declaration, as the engine will.

    Raises:
        ValueError: an unknown name, a wrong type or a value out of range; the text names it.
    """
    known = {item["name"]: item for item in parameters}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{where}.{name}: unknown parameter (known: {', '.join(known) or 'none'})")
        item = known[name]
        label = f"{where}.{name}"
        if value is None and item["optional"]:
            continue
        if not isinstance(value, _TYPES[item["type"]]) or (item["type"] != "bool" and isinstance(value, bool)):
            raise ValueError(f"{label}: expected {item['type']}, got {value!r}")
        if item["choices"] and value not in item["choices"]:
            raise ValueError(f"{label}: must be one of {', '.join(item['choices'])}, got {value!r}")
        if item["type"] in ("int", "float"):
            low, high = item["low"], item["high"]
            inside = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
            if not inside:
                raise ValueError(f"{label}: must lie in [{low}, {high}] {item['unit']}".rstrip() + f", got {value!r}")


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
