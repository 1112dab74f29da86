"""Recipes: one prior = one file, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recipe import Recipe


def recipe_names() -> list[str]:
    """The names of all recipes, from their files alone: needs no torch."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if module.name != "recipe")


def recipes() -> dict[str, Recipe]:
    """All recipes by name."""
    found: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name != "recipe":
            entry: Recipe = importlib.import_module(f"{__name__}.{module.name}").RECIPE
            found[entry.name] = entry
    return dict(sorted(found.items()))


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: there is none; the text lists those that exist.
    """
    known = recipes()
    if name not in known:
        raise ValueError(f"recipe: {name!r} is unknown (known: {', '.join(known)})")
    return known[name]
