"""Typed, ranged parameters as dataclass fields: declared once for command line, job file, panel and documentation."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def parameter(
    default: Any,
    text: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a dataclass field with what a user needs to know about it.

    Args:
        default: its default; None where the annotation allows it (`float | None`: "chosen automatically").
        text: one or two sentences for a tooltip.
        unit: unit shown beside the value.
        low, high: inclusive range of a number.
        choices: allowed texts.
    """
    return field(default=default, metadata={"text": text, "unit": unit, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class ParameterInfo:
    """What a front end needs to build a control: `kind` is int, float, bool or str."""

    name: str
    kind: type
    optional: bool
    default: Any
    text: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def describe(owner: type) -> list[ParameterInfo]:
    """The parameters of a dataclass, in order of declaration."""
    hints = typing.get_type_hints(owner)
    return [_info(item, hints[item.name]) for item in fields(owner)]


def from_mapping(owner: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build a parameter dataclass from plain values, strictly.

    Raises:
        ValueError: an unknown name, a wrong type, a non-finite number or a value out of range; the text begins with
            `where` and the name.
    """
    known = {info.name: info for info in describe(owner)}
    for name in values:
        if name not in known:
            raise ValueError(f"{where}.{name}: unknown parameter (known: {', '.join(known) or 'none'})")
    checked = {name: _checked(value, known[name], where) for name, value in values.items()}
    return owner(**checked)


def validate(owner: Any, where: str) -> None:
    """Hold the values of a parameter dataclass against its own declaration, for `__post_init__`.

    Raises:
        ValueError: a wrong type, a non-finite number or a value out of range; the text names `where` and it.
    """
    for info in describe(type(owner)):
        _checked(getattr(owner, info.name), info, where)


def _info(item: Field[Any], hint: Any) -> ParameterInfo:
    arguments = typing.get_args(hint)
    optional = isinstance(hint, types.UnionType) and type(None) in arguments
    kind = next(a for a in arguments if a is not type(None)) if optional else hint
    meta = item.metadata
    default = None if item.default is MISSING else item.default
    return ParameterInfo(
        item.name, kind, optional, default, meta["text"], meta["unit"], meta["low"], meta["high"], meta["choices"]
    )


def _checked(value: Any, info: ParameterInfo, where: str) -> Any:
    label = f"{where}.{info.name}"
    if value is None and info.optional:
        return None
    if info.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, info.kind) or (info.kind is int and isinstance(value, bool)):
        raise ValueError(f"{label}: expected {info.kind.__name__}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{label}: must be finite, got {value!r}")
    if info.choices and value not in info.choices:
        raise ValueError(f"{label}: must be one of {', '.join(info.choices)}, got {value!r}")
    number: Any = value
    if (info.low is not None and number < info.low) or (info.high is not None and number > info.high):
        raise ValueError(f"{label}: must lie in [{info.low}, {info.high}] {info.unit}".rstrip() + f", got {value!r}")
    return value
