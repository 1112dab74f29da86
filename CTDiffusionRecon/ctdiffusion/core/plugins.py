"""What other packages add, found through their entry points; one that is broken is said once and left out.

* `ctdiffusion.methods`: a module that registers methods (`methods.registry.register`).
* `ctdiffusion.networks`: a network class, by the name that stands in `prior.json` under `network.class`.
* `ctdiffusion.volumes`: a function (path) -> `images.volume.Volume`, by the ending of its files, such as `.mrc`.
* `ctdiffusion.projections`: a function (path) -> `acquisition.measured.read.MeasuredProjections`, likewise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

METHODS, NETWORKS = "ctdiffusion.methods", "ctdiffusion.networks"
VOLUMES, PROJECTIONS = "ctdiffusion.volumes", "ctdiffusion.projections"

_FOUND: dict[tuple[str, str], Any] = {}
_LEFT_OUT: dict[str, str] = {}


def plugin(group: str, name: str) -> Any | None:
    """What a package offers under a name; None where none does, or what it offers cannot be imported."""
    for point in entry_points(group=group, name=name):
        key = (group, name)
        if key not in _FOUND:
            _FOUND[key] = loaded(f"{point.name} ({point.value})", point.load)
        return _FOUND[key]
    return None


def loaded(name: str, load: Callable[[], Any]) -> Any | None:
    """The result of an import; None, and one warning in the log `ctdiffusion`, where it fails."""
    try:
        return load()
    except Exception as error:  # somebody else's code may raise anything
        _LEFT_OUT[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        logging.getLogger("ctdiffusion").warning("%s is left out: %s", name, _LEFT_OUT[name])
        return None


def left_out() -> dict[str, str]:
    """What could not be imported, with the reason in one line."""
    return dict(_LEFT_OUT)
