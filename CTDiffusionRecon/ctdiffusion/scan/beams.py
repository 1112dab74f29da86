"""Scan geometries as immutable values in millimetres and radians.

World frame (LPS about the isocentre, as SimpleITK): x to the patient's left = columns, y to posterior = rows, z to
superior = slices. At view angle theta the source stands at D_so (sin theta, -cos theta), so theta = 0 has the tube
anterior and theta grows from anterior to left; the detector's column axis is u = (cos theta, sin theta), its row axis
v = +z. Parallel beam: s = x cos theta + y sin theta. Column k of n lies at (k - (n - 1) / 2) * spacing + offset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

from .beam import DivergentBeam, ScanBeam
from .grid import Grid
from .viewsets import FULL_TURN, equally_spaced, equispaced, limited_angle

__all__ = [
    "FULL_TURN",
    "ConeBeam",
    "FanBeam",
    "Geometry",
    "Grid",
    "ParallelBeam",
    "equispaced",
    "geometry_from_dict",
    "limited_angle",
]


@dataclass(frozen=True)
class ParallelBeam(ScanBeam):
    """Parallel rays. Lengths in mm, angles in radians."""

    kind: ClassVar[str] = "parallel"
    is_stack: ClassVar[Literal[True]] = True
    divergent: ClassVar[Literal[False]] = False
    curved: ClassVar[bool] = False
    angles: tuple[float, ...]
    columns: int
    column_spacing: float
    column_offset: float = 0.0

    @property
    def views_per_turn(self) -> int | None:
        """Views on a full turn of an equally spaced scan, or None; half a turn counts, the other half mirrors it."""
        return 2 * self.views if equally_spaced(self.angles, math.pi) else super().views_per_turn

    def over_a_turn(self, views: int) -> ParallelBeam:
        """The same scanner with half of `views` equally spaced on half a turn: the other half shows the same lines."""
        return self.with_views(equispaced(max(1, round(views / 2)), math.pi, self.angles[0]))


@dataclass(frozen=True)
class FanBeam(DivergentBeam):
    """Fan beam with a flat or equiangular (curved about the source) detector. Lengths in mm, angles in radians.

    `column_spacing` is measured on the detector; for a curved one it is arc length at `source_to_detector`.
    """

    kind: ClassVar[str] = "fan"
    is_stack: ClassVar[Literal[True]] = True
    divergent: ClassVar[Literal[True]] = True
    angles: tuple[float, ...]
    source_to_isocentre: float
    source_to_detector: float
    columns: int
    column_spacing: float
    column_offset: float = 0.0
    curved: bool = False

    def _fan_angle(self, u: float) -> float:
        return min(u / self.source_to_detector, 0.5 * math.pi) if self.curved else super()._fan_angle(u)


@dataclass(frozen=True)
class ConeBeam(DivergentBeam):
    """Circular cone beam with a flat detector. Lengths in mm, angles in radians."""

    kind: ClassVar[str] = "cone"
    is_stack: ClassVar[Literal[False]] = False
    divergent: ClassVar[Literal[True]] = True
    curved: ClassVar[bool] = False
    angles: tuple[float, ...]
    source_to_isocentre: float
    source_to_detector: float
    rows: int
    columns: int
    row_spacing: float
    column_spacing: float
    row_offset: float = 0.0
    column_offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("rows", "row_spacing")
        self._require_finite("row_offset")

    def row_positions(self) -> tuple[float, ...]:
        """Detector row centres in mm along v."""
        half = (self.rows - 1) / 2
        return tuple((k - half) * self.row_spacing + self.row_offset for k in range(self.rows))

    def data_shape(self, slices: int) -> tuple[int, int, int]:
        return (self.views, self.rows, self.columns)

    def refined(self, factor: int) -> ConeBeam:
        """The same detector with `factor` times finer rows and columns."""
        return replace(super().refined(factor), rows=self.rows * factor, row_spacing=self.row_spacing / factor)

    def central_fan(self) -> FanBeam:
        """The fan of the central plane, that of a detector row at height 0."""
        distances = (self.source_to_isocentre, self.source_to_detector)
        return FanBeam(self.angles, *distances, self.columns, self.column_spacing, self.column_offset)

    def check(self, grid: Grid) -> list[str]:
        """Warnings about this geometry for a grid.

        Raises:
            ValueError: the source passes through the volume.
        """
        warnings = super().check(grid)
        half_height = 0.5 * self.rows * self.row_spacing - abs(self.row_offset)
        covered = half_height * (self.source_to_isocentre - grid.field_radius) / self.source_to_detector
        needed = 0.5 * grid.shape[0] * grid.spacing[0] + abs(grid.centre[2])
        if covered < needed * (1.0 - 1e-6):
            warnings.append(
                f"detector rows cover +-{covered:.1f} mm of the volume's +-{needed:.1f} mm along z: "
                "the end slices are truncated"
            )
        return warnings


Geometry = ParallelBeam | FanBeam | ConeBeam
_KINDS: dict[str, type[ParallelBeam] | type[FanBeam] | type[ConeBeam]] = {
    c.kind: c for c in (ParallelBeam, FanBeam, ConeBeam)
}


def geometry_from_dict(values: dict[str, Any]) -> Geometry:
    """Read a geometry from plain JSON values (see `ScanBeam.to_dict`), strictly.

    Raises:
        ValueError: unknown kind, unknown or missing field, or values the geometry refuses; the text names the field.
    """
    rest = dict(values)
    kind = rest.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"geometry.kind must be one of {sorted(_KINDS)}, got {kind!r}")
    beam = _KINDS[kind]
    known = {f.name: f for f in fields(beam)}
    for name, value in rest.items():
        if name not in known:
            raise ValueError(f"geometry.{name} is not a field of a {kind} geometry")
        wanted = known[name].type
        if name == "angles":
            good = isinstance(value, (list, tuple)) and all(_is_number(a) for a in value)
        elif wanted == "bool":
            good = isinstance(value, bool)
        elif wanted == "int":
            good = isinstance(value, int) and not isinstance(value, bool)
        else:
            good = _is_number(value)
        if not good:
            raise ValueError(f"geometry.{name} has the wrong type: {value!r}")
    try:
        return beam(**rest)
    except TypeError as error:
        raise ValueError(f"geometry: {str(error).split('__init__() ')[-1]}") from None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
