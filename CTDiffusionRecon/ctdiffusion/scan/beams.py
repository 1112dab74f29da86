"""Scan geometries as immutable values in millimetres and radians.

World frame (LPS about the isocentre, as SimpleITK): x to the patient's left = columns, y to posterior = rows, z to
superior = slices. At view angle theta the source stands at D_so (sin theta, -cos theta), so theta = 0 has the tube
anterior and theta grows from anterior to left; the detector's column axis is u = (cos theta, sin theta), its row axis
v = +z. Parallel beam: s = x cos theta + y sin theta. Column k of n lies at (k - (n - 1) / 2) * spacing + offset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

from .viewsets import FULL_TURN, checked_angles, equispaced, limited_angle, whole_turn

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
class Grid:
    """A voxel grid centred on the isocentre.

    Attributes:
        shape: (slices, rows, columns).
        spacing: voxel size in mm, (slice, row, column).
        centre: world position in mm of the grid's centre, (x, y, z); (0, 0, 0) puts it on the isocentre.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(n < 1 for n in self.shape):
            raise ValueError(f"grid shape must be three positive counts (slices, rows, columns), got {self.shape}")
        if len(self.spacing) != 3 or not all(math.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(f"grid spacing must be three positive lengths in mm, got {self.spacing}")
        if len(self.centre) != 3 or not all(math.isfinite(c) for c in self.centre):
            raise ValueError(f"grid centre must be three finite lengths in mm, got {self.centre}")

    @property
    def field_radius(self) -> float:
        """Radius in mm of the largest disc inside the slice (the scan field of view of a square slice)."""
        return 0.5 * min(self.shape[1] * self.spacing[1], self.shape[2] * self.spacing[2])

    @property
    def in_plane_spacing(self) -> float:
        """Pixel size in mm; the geometric mean where pixels are not square."""
        return math.sqrt(self.spacing[1] * self.spacing[2])

    @property
    def corner_radius(self) -> float:
        """Distance in mm from the rotation axis to the farthest corner of the slice."""
        x = abs(self.centre[0]) + 0.5 * self.shape[2] * self.spacing[2]
        y = abs(self.centre[1]) + 0.5 * self.shape[1] * self.spacing[1]
        return math.hypot(x, y)

    def refined(self, factor: int) -> Grid:
        """The same extent with `factor` times finer rows and columns."""
        slices, rows, columns = self.shape
        dz, dy, dx = self.spacing
        return replace(self, shape=(slices, rows * factor, columns * factor), spacing=(dz, dy / factor, dx / factor))


def _positive(owner: object, names: Sequence[str]) -> None:
    for name in names:
        value = getattr(owner, name)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, got {value!r}")


class _Beam:
    """What the geometries share."""

    kind: ClassVar[str]
    angles: tuple[float, ...]
    columns: int
    column_spacing: float
    column_offset: float

    @property
    def views(self) -> int:
        return len(self.angles)

    @property
    def is_stack(self) -> bool:
        """True where every slice is projected alone (parallel and fan), false for cone beams."""
        return True

    def subset(self, indices: Sequence[int]) -> Any:
        """The same geometry with only the views at `indices`, in that order."""
        return replace(self, angles=tuple(self.angles[i] for i in indices))  # type: ignore[type-var]

    def _gained_over_a_turn(self) -> float:
        """How much farther, in mm along u, a shifted detector sees when the opposite views make up for its short side.

        That is twice the shift for a half-fan scan over a full turn, as long as the detector still sees the axis.
        """
        if abs(self.column_offset) >= 0.5 * self.columns * self.column_spacing or not whole_turn(self.angles):
            return 0.0
        return 2.0 * abs(self.column_offset)

    def column_positions(self) -> tuple[float, ...]:
        """Detector column centres in mm along u (along the arc at the detector for a curved one)."""
        half = (self.columns - 1) / 2
        return tuple((k - half) * self.column_spacing + self.column_offset for k in range(self.columns))

    def data_shape(self, slices: int) -> tuple[int, int, int]:
        """Shape of the projections of `slices` slices: [slice, view, column], or [view, row, column] for a cone."""
        return (slices, self.views, self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with `kind`; `geometry_from_dict` reads them back."""
        return {"kind": self.kind, **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}}  # type: ignore[call-overload]


@dataclass(frozen=True)
class ParallelBeam(_Beam):
    """Parallel rays. Lengths in mm, angles in radians."""

    kind: ClassVar[str] = "parallel"
    angles: tuple[float, ...]
    columns: int
    column_spacing: float
    column_offset: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles", checked_angles(self.angles))
        _positive(self, ("columns", "column_spacing"))
        if not math.isfinite(self.column_offset):
            raise ValueError(f"column_offset must be finite, got {self.column_offset!r}")

    @property
    def fov_radius(self) -> float:
        """Radius in mm of the disc that every view sees whole."""
        return 0.5 * self.columns * self.column_spacing - abs(self.column_offset)

    @property
    def seen_radius(self) -> float:
        """Radius in mm of the disc that the views together see; not positive where they miss the axis."""
        return self.fov_radius + self._gained_over_a_turn()

    def check(self, grid: Grid) -> list[str]:
        """Warnings about this geometry for a grid (truncation)."""
        return _truncation(self.seen_radius, grid)


@dataclass(frozen=True)
class FanBeam(_Beam):
    """Fan beam with a flat or equiangular (curved about the source) detector. Lengths in mm, angles in radians.

    `column_spacing` is measured on the detector; for a curved one it is arc length at `source_to_detector`.
    """

    kind: ClassVar[str] = "fan"
    angles: tuple[float, ...]
    source_to_isocentre: float
    source_to_detector: float
    columns: int
    column_spacing: float
    column_offset: float = 0.0
    curved: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles", checked_angles(self.angles))
        _check_divergent(self)

    @property
    def half_fan(self) -> float:
        """Smaller of the two half fan angles in radians (they differ by the detector offset)."""
        edge = 0.5 * self.columns * self.column_spacing - abs(self.column_offset)
        ratio = edge / self.source_to_detector
        return min(ratio, 0.5 * math.pi) if self.curved else math.atan(ratio)

    @property
    def fov_radius(self) -> float:
        """Radius in mm of the disc that every view sees whole."""
        return self.source_to_isocentre * math.sin(max(self.half_fan, 0.0))

    @property
    def seen_radius(self) -> float:
        """Radius in mm of the disc that the views together see; 0 where they miss the axis."""
        return _divergent_radius(self)

    def check(self, grid: Grid) -> list[str]:
        """Warnings about this geometry for a grid.

        Raises:
            ValueError: the source passes through the volume.
        """
        _source_outside(self.source_to_isocentre, grid)
        return _truncation(self.seen_radius, grid)


@dataclass(frozen=True)
class ConeBeam(_Beam):
    """Circular cone beam with a flat detector. Lengths in mm, angles in radians."""

    kind: ClassVar[str] = "cone"
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
        object.__setattr__(self, "angles", checked_angles(self.angles))
        _check_divergent(self)
        _positive(self, ("rows", "row_spacing"))
        if not math.isfinite(self.row_offset):
            raise ValueError(f"row_offset must be finite, got {self.row_offset!r}")

    @property
    def is_stack(self) -> bool:
        return False

    @property
    def fov_radius(self) -> float:
        """Radius in mm of the disc in the central plane that every view sees whole."""
        edge = 0.5 * self.columns * self.column_spacing - abs(self.column_offset)
        return self.source_to_isocentre * math.sin(math.atan(max(edge, 0.0) / self.source_to_detector))

    def row_positions(self) -> tuple[float, ...]:
        """Detector row centres in mm along v."""
        half = (self.rows - 1) / 2
        return tuple((k - half) * self.row_spacing + self.row_offset for k in range(self.rows))

    def data_shape(self, slices: int) -> tuple[int, int, int]:
        return (self.views, self.rows, self.columns)

    @property
    def seen_radius(self) -> float:
        """Radius in mm of the disc that the views together see; 0 where they miss the axis."""
        return _divergent_radius(self)

    def check(self, grid: Grid) -> list[str]:
        """Warnings about this geometry for a grid.

        Raises:
            ValueError: the source passes through the volume.
        """
        _source_outside(self.source_to_isocentre, grid)
        warnings = _truncation(self.seen_radius, grid)
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
    """Read a geometry from plain JSON values (see `_Beam.to_dict`), strictly.

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


def _check_divergent(beam: FanBeam | ConeBeam) -> None:
    _positive(beam, ("source_to_isocentre", "source_to_detector", "columns", "column_spacing"))
    if not math.isfinite(beam.column_offset):
        raise ValueError(f"column_offset must be finite, got {beam.column_offset!r}")
    if beam.source_to_detector < beam.source_to_isocentre:
        raise ValueError(
            f"source_to_detector ({beam.source_to_detector:g} mm) must not be smaller than "
            f"source_to_isocentre ({beam.source_to_isocentre:g} mm): magnification below 1"
        )


def _source_outside(source_to_isocentre: float, grid: Grid) -> None:
    if source_to_isocentre <= grid.corner_radius:
        raise ValueError(
            f"source_to_isocentre ({source_to_isocentre:g} mm) puts the source inside the volume, "
            f"whose corners reach {grid.corner_radius:.1f} mm"
        )


def _divergent_radius(beam: FanBeam | ConeBeam) -> float:
    """Radius in mm that the views together see whole."""
    edge = 0.5 * beam.columns * beam.column_spacing - abs(beam.column_offset) + beam._gained_over_a_turn()
    ratio = max(edge, 0.0) / beam.source_to_detector
    curved = isinstance(beam, FanBeam) and beam.curved
    return beam.source_to_isocentre * math.sin(min(ratio, 0.5 * math.pi) if curved else math.atan(ratio))


def _truncation(fov_radius: float, grid: Grid) -> list[str]:
    needed = grid.field_radius + math.hypot(grid.centre[0], grid.centre[1])
    if fov_radius < needed * (1.0 - 1e-6):
        return [
            f"truncation: the detector sees a disc of radius {fov_radius:.1f} mm, "
            f"the volume's field of view needs {needed:.1f} mm"
        ]
    return []
