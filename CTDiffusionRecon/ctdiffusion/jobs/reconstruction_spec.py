"""The specification of a CT reconstruction, from a volume (simulated) or from measured projections. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..acquisition.settings import SimulationSettings
from ..core.schema import parameter
from ..methods.registry import RECONSTRUCTION
from ..scan.beams import Geometry, geometry_from_dict
from ..scan.machines import KINDS
from ..scan.viewsets import checked_angles, equispaced, limited_angle
from .spec import Specification, require

INPUT_KINDS = ("volume", "projections")
# The scan of a volume where a front end is told none.
DEFAULT_GEOMETRY, DEFAULT_VIEWS = "fan", 30
MAX_VIEWS = 10_000


@dataclass(frozen=True, kw_only=True)
class JobSpec(Specification):
    """One reconstruction. Angles are in degrees here because people write this file."""

    TASK: ClassVar[str] = RECONSTRUCTION

    input_kind: str = parameter(
        "volume", "Whether the input is a volume, of which projections are simulated, or measured projections.",
        choices=INPUT_KINDS,
    )  # fmt: skip
    geometry: str | dict[str, Any] | None = parameter(
        None,
        "The scan: one that is fitted to the volume, or a full geometry (lengths in mm, angles in radians). Measured "
        "projections bring their own.",
        choices=KINDS,
        group="scan",
    )
    views: int | None = parameter(
        None,
        "Number of views; of measured projections, so many equally spaced ones of those there are; automatic: all.",
        low=1,
        high=MAX_VIEWS,
        group="scan",
    )
    arc_deg: float | None = parameter(
        None, "Arc of equally spaced views; automatic: 180 for a parallel beam, else 360.", unit="degrees", group="scan"
    )
    start_deg: float = parameter(0.0, "Angle of the first view.", unit="degrees", group="scan")
    limited_deg: tuple[float, float] | None = parameter(
        None, "Start and span of a limited-angle acquisition, both ends included.", unit="degrees", group="scan"
    )
    angles_deg: tuple[float, ...] | None = parameter(
        None, "Every view angle, instead of the four above.", unit="degrees", group="scan"
    )
    slices: tuple[int, int] | None = parameter(
        None,
        "First slice to reconstruct, and the one after the last, as in Python, counted along the file's third axis; "
        "automatic: all.",
        group="scan",
    )
    simulation: SimulationSettings = parameter(
        SimulationSettings, "Noise and discretisation of the simulated measurement.", group="simulation"
    )
    keep_projections: bool = parameter(
        False, "Write the projections, and the result's residual in them, beside the result.", group="running"
    )

    def check(self) -> None:
        """The scan as a whole."""
        if self.slices is not None:
            good = 0 <= self.slices[0] < self.slices[1]
            require(good, "slices", "expected 0 <= start < stop", list(self.slices))
        if self.input_kind == "projections":
            require(self.geometry is None, "geometry", "measured projections bring their own; leave it null", "one")
            self._no_view_angles()
        elif isinstance(self.geometry, dict):
            self._no_view_angles()
            require(self.views is None, "views", "the geometry brings its own view angles", self.views)
            self.explicit_geometry()
        else:
            known = ", ".join(KINDS)
            require(self.geometry is not None, "geometry", f"missing; one of {known}, or a full geometry", None)
            self._check_view_set()
        method, beam = self.chosen_method(), self.beam
        taken = " and ".join(method.beams)
        require(beam is None or beam in method.beams, "geometry", f"method {method.name} takes {taken} beams", beam)

    @property
    def beam(self) -> str | None:
        """Kind of the beam, where the specification says it."""
        if isinstance(self.geometry, dict):
            return str(self.geometry.get("kind"))
        return None if self.geometry is None else self.geometry.partition("-")[0]

    @property
    def label(self) -> str:
        """What a result is called after its input: `DDS 30 views`."""
        name = "FDK" if self.method == "fbp" and self.beam == "cone" else self.method.upper()
        count = self.view_count
        return name if count is None else f"{name} {count} view{'' if count == 1 else 's'}"

    @property
    def view_count(self) -> int | None:
        """Number of views, where the specification says it."""
        if isinstance(self.geometry, dict):
            return len(self.geometry.get("angles", ()))
        return self.views if self.angles_deg is None else len(self.angles_deg)

    def explicit_geometry(self) -> Geometry | None:
        """The full geometry, where one was given.

        Raises:
            ValueError: it is not one.
        """
        if not isinstance(self.geometry, dict):
            return None
        try:
            return geometry_from_dict(self.geometry)
        except ValueError as error:
            text = str(error)
            raise ValueError(f"spec.{text}" if text.startswith("geometry") else f"spec.geometry: {text}") from None

    def angles(self) -> tuple[float, ...]:
        """View angles in radians for a fitted geometry."""
        if self.angles_deg is not None:
            return tuple(math.radians(a) for a in self.angles_deg)
        assert self.views is not None
        if self.limited_deg is not None:
            start, span = (math.radians(a) for a in self.limited_deg)
            return limited_angle(self.views, start, span)
        arc = self.arc_deg if self.arc_deg is not None else (180.0 if self.geometry == "parallel" else 360.0)
        return equispaced(self.views, math.radians(arc), math.radians(self.start_deg))

    def _no_view_angles(self) -> None:
        for name in ("arc_deg", "limited_deg", "angles_deg"):
            value = getattr(self, name)
            require(value is None, name, "the geometry brings its own view angles", value)
        require(self.start_deg == 0.0, "start_deg", "the geometry brings its own view angles", self.start_deg)

    def _check_view_set(self) -> None:
        field, against = "arc_deg", tuple[str, ...]()
        if self.angles_deg is not None:
            field, against = "angles_deg", ("views", "arc_deg", "limited_deg")
            span = max(self.angles_deg, default=0.0) - min(self.angles_deg, default=0.0)
            require(span <= 360.0, field, "expected at most a full turn of 360 degrees", span)
        elif self.limited_deg is not None:
            field, against = "limited_deg", ("arc_deg",)
            require(self.views is not None, "views", "missing", None)
            span = self.limited_deg[1]
            require(0.0 < span < 360.0, field, "expected a span between 0 and 360 degrees", span)
        else:
            require(self.views is not None, "views", "missing (or give angles_deg)", None)
            if self.arc_deg is not None:
                good = 0.0 < self.arc_deg <= 360.0
                require(good, "arc_deg", "expected more than 0 and at most 360 degrees", self.arc_deg)
        for name in against:
            require(getattr(self, name) is None, name, f"not together with {field}", getattr(self, name))
        if against:
            require(self.start_deg == 0.0, "start_deg", f"not together with {field}", self.start_deg)
        try:
            checked_angles(self.angles())
        except ValueError as error:
            raise ValueError(f"spec.{field}: {error}") from None


def default_scan(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Geometry and views of a reconstruction for a front end that need not be told, as far as `fields` say none: a fan
    beam and 30 views; measured projections, a full geometry and a list of angles bring what they bring."""
    if fields.get("input_kind") == "projections":
        return {}
    geometry = fields.get("geometry", DEFAULT_GEOMETRY)
    told = "views" in fields or isinstance(geometry, Mapping) or fields.get("angles_deg") is not None
    return {"geometry": geometry} if told else {"geometry": geometry, "views": DEFAULT_VIEWS}
