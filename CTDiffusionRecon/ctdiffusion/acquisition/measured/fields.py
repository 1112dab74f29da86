"""Strict reading of a JSON object: every field is asked for once, and what nobody asked for is refused."""

from __future__ import annotations

import math
from typing import Any

from ...core.strictjson import shorten

_REQUIRED = object()
LARGEST = 2**63
SMALLEST = 1e-7


class Fields:
    """The fields of one JSON object. Every error names the file and the field."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise ValueError(f"{where}: must be a JSON object, got {type(values).__name__}")
        self._rest, self._where = dict(values), where

    def any(self, name: str, default: Any = _REQUIRED) -> Any:
        """The value as it stands.

        Raises:
            ValueError: it is missing and has no default.
        """
        value = self._rest.pop(name, default)
        if value is _REQUIRED:
            raise ValueError(f"{self._where}.{name}: missing")
        return value

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self.any(name, default)
        return (
            value if value is default else self._expect(isinstance(value, str) and value != "", name, "a text", value)
        )

    def choice(self, name: str, choices: tuple[str, ...], default: Any = _REQUIRED) -> str:
        value = self.any(name, default)
        return str(self._expect(value in choices, name, f"one of {', '.join(choices)}", value))

    def flag(self, name: str) -> bool:
        value = self.any(name, False)
        return bool(self._expect(isinstance(value, bool), name, "true or false", value))

    def number(self, name: str, default: Any = _REQUIRED, positive: bool = False) -> Any:
        value = self.any(name, default)
        if value is default:
            return value
        good = _is_number(value) and (value > 0 or not positive)
        return self._expect(good, name, "a positive number" if positive else "a finite number", value)

    def length(self, name: str, default: Any = _REQUIRED, largest: float = 1e7) -> Any:
        """A positive length in mm between 0.1 nm and `largest`: no scanner is smaller or larger."""
        value = self.number(name, default, positive=True)
        if value is default:
            return value
        return self._expect(SMALLEST <= value <= largest, name, f"from {SMALLEST:g} to {largest:g}", value)

    def offset(self, name: str, default: Any = _REQUIRED, largest: float = 1e7) -> Any:
        """A number of either sign, at most `largest`."""
        value = self.number(name, default)
        if value is default:
            return value
        return self._expect(abs(value) <= largest, name, f"from {-largest:g} to {largest:g}", value)

    def text_or_number(self, name: str) -> str | float | None:
        value = self.any(name, None)
        good = value is None or _is_number(value) or (isinstance(value, str) and value != "")
        self._expect(good, name, "a number or the name of an array", value)
        return value  # type: ignore[no-any-return]

    def numbers(self, name: str, count: int | None = None, default: Any = _REQUIRED) -> Any:
        value = self.any(name, default)
        if value is default:
            return value
        good = isinstance(value, list) and all(map(_is_number, value)) and (count is None or len(value) == count)
        return tuple(self._expect(good, name, f"{count or 'a list of'} finite numbers", value))

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.any(name)
        good = isinstance(value, list) and all(isinstance(v, str) for v in value)
        return tuple(self._expect(good, name, "a list of texts", value))

    def inside(self, name: str) -> Fields:
        """The fields of an object within this one; an empty one where it is missing."""
        return Fields(self.any(name, {}), f"{self._where}.{name}")

    def finish(self) -> None:
        """Refuse what was not asked for."""
        for name in self._rest:
            raise ValueError(f"{self._where}.{shorten(name)}: unknown field")

    def _expect(self, good: bool, name: str, wanted: str, value: Any) -> Any:
        if not good:
            raise ValueError(f"{self._where}.{name}: must be {wanted}, got {str(value)[:60]!r}")
        return value


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # Whole numbers of any length are valid JSON; few of them are a float.
    return abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value)
