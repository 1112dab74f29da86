"""Plain fields of a specification as parameters of the parameter node: made from the declaration, never listed again.

A field is declared once, in the engine. If it is a number, a switch or a choice, and no section of the panel stands for
it in its own way (as the scan's section does for the view angles), then the parameter node has a parameter, the panel a
control and the request a value for it. Needs neither Slicer nor Qt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ctdiffusion.core.schema import ParameterInfo, walk
from ctdiffusion.jobs.tasks import TASKS
from ctdiffusion.methods.registry import RECONSTRUCTION, SUPERRESOLUTION

# What the sections of the panel stand for in their own way: input, method and prior, device, scan, slices, factor.
_BY_SECTIONS = {
    RECONSTRUCTION: {
        "input", "input_kind", "method", "parameters", "prior", "device", "geometry", "views", "arc_deg", "start_deg",
        "limited_deg", "angles_deg", "slices",
    },
    SUPERRESOLUTION: {"input", "method", "parameters", "prior", "device", "factor"},
}  # fmt: skip
# Where the panel starts with another value than a script: sinogram and residual can be looked at.
_DEFAULTS = {"keep_projections": True}
# The seed is one for the whole panel.
_SHARED = ("seed",)
_SHORTS = {"hu": "HU"}
_SIMULATION = "simulation."


@dataclass(frozen=True)
class NodeField:
    """A field of a specification and its parameter.

    Attributes:
        path: the field's name in the specification, dotted: `simulation.photons`.
        name: the parameter's in the parameter node.
        info: its declaration.
        default: where the panel starts.
    """

    path: str
    name: str
    info: ParameterInfo
    default: Any

    @property
    def stored(self) -> type:
        """The type of the parameter: that of the field; text where it may be automatic, which is no text."""
        return str if self.info.optional else self.info.kind

    def to_node(self, value: Any) -> Any:
        """A field's value as the parameter keeps it."""
        return ("" if value is None else str(value)) if self.info.optional else value

    def to_field(self, value: Any) -> Any:
        """The value back; what a scene holds that is no such value is given as it is, for the engine to refuse."""
        if not self.info.optional:
            return value
        if value == "":
            return None
        if self.info.kind is bool:
            return {"True": True, "False": False}.get(value, value)
        try:
            return self.info.kind(value)
        except ValueError:
            return value


def node_fields(task: str) -> tuple[NodeField, ...]:
    """The plain fields of a task's specification that have a parameter, in order of declaration."""
    return tuple(
        NodeField(path, _parameter_name(task, path), info, _DEFAULTS.get(path, info.default))
        for path, info in walk(TASKS[task].specification)
        if path not in _BY_SECTIONS[task] and is_plain(info)
    )


def is_plain(info: ParameterInfo) -> bool:
    """Whether one simple control shows it: a number, a switch, a choice or a text."""
    return len(info.kinds) == 1 and info.kind in (int, float, bool, str)


def field_values(parameters: Any, fields: Iterable[NodeField]) -> dict[str, Any]:
    """The fields' values in a parameter node, as arguments of a specification; nested ones as dictionaries."""
    values: dict[str, Any] = {}
    for field in fields:
        *owners, name = field.path.split(".")
        place = values
        for owner in owners:
            place = place.setdefault(owner, {})
        place[name] = field.to_field(getattr(parameters, field.name))
    return values


def _parameter_name(task: str, path: str) -> str:
    """`keep_projections` as `keepProjections`, `simulation.same_grid` as `sameGrid`, the thin slices' `factor` as
    `thinFactor`; other nested ones with what they are nested in."""
    words = path.removeprefix(_SIMULATION).replace(".", "_").split("_")
    if task == SUPERRESOLUTION and path not in _SHARED:
        words = ["thin", *words]
    return words[0] + "".join(_SHORTS.get(word, word[:1].upper() + word[1:]) for word in words[1:])
