"""What an array in an HDF5 file says of itself: units and scaling, honoured or refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

# The unit of angles whose own attribute decides, and degrees where they have none.
DECLARED = "declared"
_DEGREE = math.pi / 180.0
# Radians in one unit of an angle.
_ANGLES = {
    "deg": _DEGREE, "degree": _DEGREE, "degrees": _DEGREE, "°": _DEGREE, "degs": _DEGREE, "arcdegree": _DEGREE,
    "rad": 1.0, "radian": 1.0, "radians": 1.0, "rads": 1.0, "mrad": 1e-3, "milliradian": 1e-3, "milliradians": 1e-3,
    "turn": 2.0 * math.pi, "turns": 2.0 * math.pi, "rev": 2.0 * math.pi, "revolution": 2.0 * math.pi,
    "revolutions": 2.0 * math.pi, "gon": math.pi / 200.0, "grad": math.pi / 200.0, "arcmin": _DEGREE / 60.0,
}  # fmt: skip
# Pure numbers, whatever a writer calls them.
_PURE = {
    "", "1", "counts", "count", "cts", "adu", "photons", "photon", "electrons", "dn", "digital number", "gray levels",
    "grey levels", "intensity", "a.u.", "au", "a.u", "arb", "arb. units", "arbitrary", "arbitrary units", "none",
    "dimensionless", "unitless", "any", "nx_any", "nx_dimensionless", "transmission", "absorption", "optical density",
    "line integrals", "-ln(i/i0)", "counts/pixel", "counts/s", "counts per second",
}  # fmt: skip
_PERCENT = {"%", "percent", "per cent"}


@dataclass(frozen=True)
class Declared:
    """The attributes of one array that change what its values mean.

    Attributes:
        unit: the text of its unit; None where it has none.
        scale, offset: what its values are to be multiplied by, and what added then.
    """

    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, attributes: Mapping[str, Any], where: str) -> Declared:
        """The attributes of an array called `where` in messages.

        Raises:
            ValueError: a unit that is no text, or a scale or offset that is no finite number.
        """
        known = {str(name).lower(): value for name, value in attributes.items()}
        unit = next((_text(known[name], f"{where}@{name}") for name in ("units", "unit") if name in known), None)
        scale, offset = known.get("scale_factor", 1.0), known.get("add_offset", 0.0)
        return cls(unit, _number(scale, f"{where}@scale_factor"), _number(offset, f"{where}@add_offset"))

    def applied(self, values: NDArray[Any]) -> NDArray[Any]:
        """Stored values times `scale` plus `offset`; the array itself where there is nothing to do."""
        return values if (self.scale, self.offset) == (1.0, 0.0) else values * self.scale + self.offset


def radians(declared: Declared, unit: str, where: str) -> float:
    """Radians in one unit of the angles at `where`.

    Args:
        declared: what the array says of itself.
        unit: what the geometry file says: deg, rad, or `DECLARED`.

    Raises:
        ValueError: a unit that is not known, or another one than the geometry file's.
    """
    told = {"deg": _DEGREE, "rad": 1.0, DECLARED: None}[unit]
    if declared.unit is None or not declared.unit:
        return _DEGREE if told is None else told
    found = _ANGLES.get(declared.unit.lower())
    if found is None:
        raise ValueError(
            f"{where}: its attribute gives the unit {declared.unit[:40]!r}, which is no known unit of angle"
        )
    if told is not None and abs(found - told) > 1e-12:
        raise ValueError(
            f"{where}: its attribute gives the unit {declared.unit[:40]!r}, the geometry file angles.unit = {unit}"
        )
    return found


def factor(declared: Declared, values: str, where: str) -> float:
    """What the transmission or the line integrals at `where` are to be multiplied by, for their unit.

    Raises:
        ValueError: a unit that such values do not have, or that is not known.
    """
    unit = (declared.unit or "").lower()
    if unit in _PURE:
        return 1.0
    if unit in _PERCENT and values == "transmission":
        return 0.01
    raise ValueError(f"{where}: its attribute gives the unit {unit[:40]!r}, which is none of {values}")


def check_counts(frames: Mapping[str, Declared]) -> None:
    """Counts, flat and dark, by what they are called in messages, may have any unit if it is the same.

    Raises:
        ValueError: an angle, or two units.
    """
    units = {where: (declared.unit or "").lower() for where, declared in frames.items() if declared.unit is not None}
    for where, unit in units.items():
        if unit in _ANGLES and unit not in _PURE:
            raise ValueError(f"{where}: its attribute gives the unit {unit[:40]!r}, which is none of counts")
    if len({"" if unit in _PURE else unit for unit in units.values()}) > 1:
        listed = ", ".join(f"{where} in {unit[:40]!r}" for where, unit in units.items())
        raise ValueError(f"counts, flat and dark have different units by their attributes: {listed}")


def _text(value: Any, where: str) -> str:
    """An attribute as text; writers store it as text, as bytes, or as an array of one."""
    value = _single(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError(f"{where}: an attribute that is no text")
    return " ".join(value.strip(" \0").split())


def _number(value: Any, where: str) -> float:
    value = _single(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{where}: an attribute that is no finite number")
    return float(value)


def _single(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value
