"""The methods, one file each; `ctdiffusion.methods()` lists them by name (see `registry.methods`)."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registry import Method


class _Room(ModuleType):
    """This package, which can be called: `ct.methods()` reads as it should and is at the same time the room."""

    def __call__(self, task: str = "reconstruction") -> dict[str, Method]:
        """All methods of a task by name, see `registry.methods`."""
        from .registry import methods

        return methods(task)


sys.modules[__name__].__class__ = _Room
