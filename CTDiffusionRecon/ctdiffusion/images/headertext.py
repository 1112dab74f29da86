"""Headers of text: fields by name, and numbers that are taken for numbers only where they are."""

from __future__ import annotations

import math
import re

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)


def numbers(text: str) -> tuple[float, ...] | None:
    """Finite decimal numbers between blanks, or None where anything else stands there or nothing."""
    parts = text.split()
    if not parts or not all(NUMBER.fullmatch(part) for part in parts):
        return None
    values = tuple(float(part) for part in parts)
    return values if all(map(math.isfinite, values)) else None


def sizes(text: str) -> tuple[int, ...] | None:
    """Positive whole numbers between blanks, or None where anything else stands there or nothing."""
    parts = text.split()
    if not parts or not all(_WHOLE.fullmatch(part) for part in parts):
        return None
    values = tuple(int(part) for part in parts)
    return values if min(values) > 0 else None


def shortened(text: str) -> str:
    """A field's text for a message: one line, not long."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return repr(shown if len(shown) <= 40 else shown[:40] + "...")


# Millimetres in the units that headers name.
UNITS = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0, "cm": 10.0, "m": 1000.0,
    "meter": 1000.0, "meters": 1000.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3,
    "micrometer": 1e-3, "micrometers": 1e-3, "nm": 1e-6,
}  # fmt: skip
