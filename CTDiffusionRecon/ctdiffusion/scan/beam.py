"""What the scan geometries share, and the questions that each answers for itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, TypeVar

from .grid import Grid
from .viewsets import FULL_TURN, checked_angles, equally_spaced, equispaced, whole_turn

_Same = TypeVar("_Same", bound="ScanBeam")


class ScanBeam:
    """What the geometries share, and the questions that each answers for itself.

    Attributes:
        is_stack: whether every slice is projected alone (parallel and fan), `[slice, view, column]`; a cone's
            projections are `[view, row, column]`. A type checker reads from it which of them have rows.
        divergent: whether the rays come from a source at a distance (fan and cone).
        curved: whether the detector is an arc about the source.
    """

    kind: ClassVar[str]
    is_stack: ClassVar[bool]
    divergent: ClassVar[bool]
    angles: tuple[float, ...]
    columns: int
    column_spacing: float
    column_offset: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles", checked_angles(self.angles))
        self._require_positive("columns", "column_spacing")
        self._require_finite("column_offset")

    @property
    def views(self) -> int:
        return len(self.angles)

    @property
    def magnification(self) -> float:
        """How much larger a length at the isocentre is on the detector."""
        return 1.0

    @property
    def pitch(self) -> float:
        """Distance in mm of two neighbouring rays at the isocentre, both near the central one."""
        return self.column_spacing

    @property
    def fov_radius(self) -> float:
        """Radius in mm of the disc (of a cone's central plane) that every view sees whole.

        Where the views miss the axis it is not positive, for a divergent beam 0.
        """
        return self._field_radius_of(self._nearer_edge)

    @property
    def seen_radius(self) -> float:
        """Radius in mm of the disc that the views together see; not positive where they miss the axis."""
        return self._field_radius_of(self._nearer_edge + self._gained_over_a_turn())

    @property
    def views_per_turn(self) -> int | None:
        """Views on a full turn of an equally spaced scan (to a hundredth of the spacing), or None for any other."""
        return self.views if equally_spaced(self.angles, FULL_TURN) else None

    def check(self, grid: Grid) -> list[str]:
        """Warnings about this geometry for a grid (truncation)."""
        needed = grid.field_radius + math.hypot(grid.centre[0], grid.centre[1])
        if self.seen_radius < needed * (1.0 - 1e-6):
            return [
                f"truncation: the detector sees a disc of radius {self.seen_radius:.1f} mm, "
                f"the volume's field of view needs {needed:.1f} mm"
            ]
        return []

    def with_views(self: _Same, angles: Sequence[float]) -> _Same:
        """The same scanner with views at `angles`, radians."""
        return replace(self, angles=tuple(angles))  # type: ignore[type-var]

    def over_a_turn(self: _Same, views: int) -> _Same:
        """The same scanner with `views` equally spaced on a full turn, from the same first angle."""
        return self.with_views(equispaced(views, start=self.angles[0]))

    def subset(self: _Same, indices: Sequence[int]) -> _Same:
        """The same geometry with only the views at `indices`, in that order."""
        return self.with_views([self.angles[i] for i in indices])

    def refined(self: _Same, factor: int) -> _Same:
        """The same detector with `factor` times finer elements."""
        finer = {"columns": self.columns * factor, "column_spacing": self.column_spacing / factor}
        return replace(self, **finer)  # type: ignore[type-var]

    def _field_radius_of(self, edge: float) -> float:
        """Radius in mm of the disc that a detector sees whose nearer edge is `edge` mm from the central ray."""
        return edge

    @property
    def _nearer_edge(self) -> float:
        return 0.5 * self.columns * self.column_spacing - abs(self.column_offset)

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

    def _require_positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value!r}")

    def _require_finite(self, name: str) -> None:
        value = getattr(self, name)
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}")


class DivergentBeam(ScanBeam):
    """What fan and cone beams share: a source."""

    source_to_isocentre: float
    source_to_detector: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("source_to_isocentre", "source_to_detector")
        if self.source_to_detector < self.source_to_isocentre:
            raise ValueError(
                f"source_to_detector ({self.source_to_detector:g} mm) must not be smaller than "
                f"source_to_isocentre ({self.source_to_isocentre:g} mm): magnification below 1"
            )

    @property
    def magnification(self) -> float:
        return self.source_to_detector / self.source_to_isocentre

    @property
    def pitch(self) -> float:
        return self.column_spacing * self.source_to_isocentre / self.source_to_detector

    @property
    def half_fan(self) -> float:
        """Smaller of the two half fan angles in radians (they differ by the detector offset)."""
        return self._fan_angle(self._nearer_edge)

    def check(self, grid: Grid) -> list[str]:
        """Warnings about this geometry for a grid.

        Raises:
            ValueError: the source passes through the volume.
        """
        if self.source_to_isocentre <= grid.corner_radius:
            raise ValueError(
                f"source_to_isocentre ({self.source_to_isocentre:g} mm) puts the source inside the volume, "
                f"whose corners reach {grid.corner_radius:.1f} mm"
            )
        return super().check(grid)

    def _fan_angle(self, u: float) -> float:
        return math.atan(u / self.source_to_detector)

    def _field_radius_of(self, edge: float) -> float:
        return self.source_to_isocentre * math.sin(self._fan_angle(max(edge, 0.0)))
