"""Typed, ranged fields of dataclasses: declared once, for command line, job file, Python, panel and documentation.

Needs neither torch nor numpy.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from .strictjson import check_plain, shorten

T = TypeVar("T")

REQUIRED: Any = object()
_DESCRIBED: dict[type, tuple[ParameterInfo, ...]] = {}
_WORDS: dict[type, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text", dict: "names with values",
}  # fmt: skip


def parameter(
    default: Any,
    text: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    group: str = "",
) -> Any:
    """Declare a dataclass field with what a user needs to know about it.

    The annotation is int, float, bool, str, dict, another dataclass of such fields, a tuple of numbers (`tuple[int,
    int]`, `tuple[float, ...]`), or a union of them; with None where nothing may be said ("chosen automatically").

    Args:
        default: its default; `REQUIRED` where there is none. A type (`dict`, a dataclass) makes a new one each time.
        text: one or two sentences for a tooltip.
        unit: unit shown beside the value.
        low, high: inclusive range of a number, or of each of several.
        choices: allowed texts.
        group: heading under which a front end shows it.
    """
    facts = {"text": text, "unit": unit, "low": low, "high": high, "choices": choices, "group": group}
    if default is REQUIRED:
        return field(metadata=facts)
    if isinstance(default, type):
        return field(default_factory=default, metadata=facts)
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class ParameterInfo:
    """What a front end needs to build a control.

    Attributes:
        name: the field's.
        kind: the first of `kinds`.
        kinds: int, float, bool, str, dict, tuple, or a dataclass of declared fields.
        optional: whether None is allowed, "chosen automatically".
        required: whether there is no default.
        default, text, unit, low, high, choices, group: see `parameter`.
        item: of a tuple, what it holds: int or float.
        length: of a tuple, how many; None for any number.
    """

    name: str
    kind: type
    kinds: tuple[type, ...]
    optional: bool
    required: bool
    default: Any
    text: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    group: str
    item: type = float
    length: int | None = None


def describe(owner: type) -> tuple[ParameterInfo, ...]:
    """The declared fields of a dataclass, in order of declaration."""
    if owner not in _DESCRIBED:
        _DESCRIBED[owner] = _description(owner)
    return _DESCRIBED[owner]


def _description(owner: type) -> tuple[ParameterInfo, ...]:
    hints = typing.get_type_hints(owner)
    return tuple(_info(item, hints[item.name]) for item in fields(owner) if "text" in item.metadata)


def from_mapping(owner: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build a dataclass of declared fields from plain values, strictly.

    Raises:
        ValueError: an unknown or missing name, a wrong type, a non-finite number or a value out of range; the text
            begins with `where` and the name.
    """
    known = {info.name: info for info in describe(owner)}
    for name in values:
        if name not in known:
            raise ValueError(f"{where}.{shorten(name)}: unknown parameter (known: {', '.join(known) or 'none'})")
    for name, info in known.items():
        if info.required and name not in values:
            raise ValueError(f"{where}.{name}: missing")
    return owner(**{name: _checked(value, known[name], where) for name, value in values.items()})


def validate(owner: Any, where: str) -> None:
    """Hold the values of a dataclass against its own declaration and keep them as declared, for `__post_init__`.

    Raises:
        ValueError: a wrong type, a non-finite number or a value out of range; the text names `where` and it.
    """
    for info in describe(type(owner)):
        before = getattr(owner, info.name)
        after = _checked(before, info, where)
        if after is not before:
            object.__setattr__(owner, info.name, after)


def plain(owner: Any) -> dict[str, Any]:
    """The declared fields of a dataclass as plain JSON values; `from_mapping` reads them back to an equal one."""
    return {info.name: _plain(getattr(owner, info.name)) for info in describe(type(owner))}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    return list(value) if isinstance(value, tuple) else value


def _info(item: Field[Any], hint: Any) -> ParameterInfo:
    members = list(typing.get_args(hint)) if isinstance(hint, types.UnionType) else [hint]
    optional = type(None) in members
    kinds, inside, length = [], float, None
    for member in members:
        if member is type(None):
            continue
        kind = typing.get_origin(member) or member
        kinds.append(kind)
        if kind is tuple:
            arguments = typing.get_args(member)
            inside, length = arguments[0], None if arguments[-1] is Ellipsis else len(arguments)
    required = item.default is MISSING and item.default_factory is MISSING
    made = item.default_factory() if item.default_factory is not MISSING else None
    default = made if item.default is MISSING else item.default
    meta = item.metadata
    return ParameterInfo(
        item.name, kinds[0], tuple(kinds), optional, required, default, meta["text"], meta["unit"], meta["low"],
        meta["high"], meta["choices"], meta["group"], inside, length,
    )  # fmt: skip


def _checked(value: Any, info: ParameterInfo, where: str) -> Any:
    label = f"{where}.{info.name}"
    if value is None and info.optional:
        return None
    for kind in info.kinds:
        fitting, found = _as(kind, value, info, label)
        if fitting:
            return found
    raise ValueError(f"{label}: expected {_expected(info)}, got {shorten(value)}")


def _as(kind: type, value: Any, info: ParameterInfo, label: str) -> tuple[bool, Any]:
    """Whether a value is of that kind, and the value as it is kept.

    Raises:
        ValueError: it is, and cannot be allowed.
    """
    if is_dataclass(kind):
        if isinstance(value, kind):
            return True, value
        if not isinstance(value, Mapping):
            return False, None
        check_plain(dict(value), label)
        return True, from_mapping(kind, value, label)
    if kind is tuple:
        if not isinstance(value, (list, tuple)):
            return False, None
        if info.length is not None and len(value) != info.length:
            raise ValueError(f"{label}: expected {_expected(info)}, got {shorten(value)}")
        check_plain(value, label)
        return True, tuple(_number(v, info.item, info, f"{label}[{i}]") for i, v in enumerate(value))
    if kind is dict:
        if not isinstance(value, Mapping):
            return False, None
        check_plain(dict(value), label)
        return True, dict(value)
    if kind in (int, float):
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        whole = isinstance(value, int) or kind is float
        return (True, _number(value, kind, info, label)) if numeric and whole else (False, None)
    if not isinstance(value, kind):
        return False, None
    if kind is str:
        check_plain(value, label)
        if info.choices and value not in info.choices:
            other = " or names with values" if dict in info.kinds else ""
            raise ValueError(f"{label}: must be one of {', '.join(info.choices)}{other}, got {shorten(value)}")
    return True, value


def _number(value: Any, kind: type, info: ParameterInfo, label: str) -> Any:
    wrong = isinstance(value, bool) or not isinstance(value, (int, float)) or (kind is int and isinstance(value, float))
    if wrong:
        raise ValueError(f"{label}: expected {_WORDS[kind]}, got {shorten(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{label}: must be finite, got {value!r}")
    check_plain(value, label)
    number = float(value) if kind is float else value
    if (info.low is not None and number < info.low) or (info.high is not None and number > info.high):
        unit = f" {info.unit}" if info.unit else ""
        low = "-inf" if info.low is None else f"{info.low:g}"
        high = "inf" if info.high is None else f"{info.high:g}"
        raise ValueError(f"{label}: must lie in [{low}, {high}]{unit}, got {value!r}")
    return number


def _expected(info: ParameterInfo) -> str:
    return " or ".join(_word(kind, info) for kind in info.kinds) + (" or null" if info.optional else "")


def _word(kind: type, info: ParameterInfo) -> str:
    if kind is tuple:
        numbers = "whole numbers" if info.item is int else "numbers"
        return f"a list of {numbers}" if info.length is None else f"{info.length} {numbers}"
    return _WORDS.get(kind, _WORDS[dict])


def walk(owner: type, prefix: str = "") -> Iterator[tuple[str, ParameterInfo]]:
    """All declared fields with their dotted names, those of nested dataclasses included."""
    for info in describe(owner):
        if is_dataclass(info.kind):
            yield from walk(info.kind, f"{prefix}{info.name}.")
        else:
            yield f"{prefix}{info.name}", info
