"""Tables of declared fields."""

from __future__ import annotations

from collections.abc import Iterable

from ctdiffusion.core.schema import ParameterInfo

from .markdown import table

WORDS = {int: "whole number", float: "number", bool: "yes or no", str: "text", tuple: "numbers", dict: "object"}


def fields_table(heading: str, fields: Iterable[tuple[str, ParameterInfo]]) -> str:
    """Name, default, what is allowed and meaning of declared fields."""
    rows = [(f"`{name}`", _default(info), allowed(info), info.text) for name, info in fields]
    return table((heading, "default", "allowed", "meaning"), rows)


def allowed(info: ParameterInfo) -> str:
    """Kind, choices, range and unit in one phrase."""
    choices = ", ".join(f"`{choice}`" for choice in info.choices)
    phrase = choices or WORDS.get(info.kind, "object")
    if info.low is not None and info.high is not None:
        phrase += f", {info.low:g} to {info.high:g}"
    elif info.low is not None:
        phrase += f", from {info.low:g}"
    elif info.high is not None:
        phrase += f", up to {info.high:g}"
    return f"{phrase} {info.unit}".strip()


def _default(info: ParameterInfo) -> str:
    if info.required:
        return "needed"
    if info.default is None:
        return "automatic"
    if isinstance(info.default, bool):
        return "yes" if info.default else "no"
    if isinstance(info.default, float):
        return f"{info.default:g}"
    return f"`{info.default}`" if isinstance(info.default, str) and info.default else str(info.default)
