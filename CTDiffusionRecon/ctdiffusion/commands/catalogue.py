"""What the engine offers, as plain values: tasks, methods with their parameters, settings, scanners. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .. import __version__
from ..acquisition.settings import SimulationSettings
from ..core.schema import ParameterInfo, describe
from ..methods.registry import SUPERRESOLUTION, Method, methods
from ..scan.machines import MACHINES

SCHEMA = 1


def catalogue() -> dict[str, Any]:
    """Everything a front end needs to build its controls.

    `methods` and `simulation` list parameters as `parameter_facts`; `machines` have lengths in mm, whose
    `rows` is 0 for a fan beam; `superresolution` are the methods of jobs with that task.
    """
    return {
        "schema": SCHEMA,
        "engine": __version__,
        "methods": [method_facts(method) for method in methods().values()],
        "simulation": [parameter_facts(info) for info in describe(SimulationSettings)],
        "machines": [{"name": name, **asdict(machine)} for name, machine in MACHINES.items()],
        "superresolution": [method_facts(method) for method in methods(SUPERRESOLUTION).values()],
    }


def method_facts(method: Method) -> dict[str, Any]:
    """A method as plain values."""
    return {
        "name": method.name,
        "title": method.title,
        "summary": method.summary,
        "source": method.source,
        "needs_prior": method.needs_prior,
        "prior_kind": method.prior_kind if method.needs_prior else "",
        "default_prior": method.default_prior if method.needs_prior else "",
        "presets": {name: dict(values) for name, values in method.presets.items()},
        "parameters": [parameter_facts(info) for info in describe(method.parameters)],
    }


def parameter_facts(info: ParameterInfo) -> dict[str, Any]:
    """A parameter as plain values: `type` is int, float, bool or str; `optional` allows null, "automatic"."""
    names = ("name", "optional", "default", "text", "unit", "low", "high")
    return {**{n: getattr(info, n) for n in names}, "type": info.kind.__name__, "choices": list(info.choices)}
