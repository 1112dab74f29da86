"""ReconstructionRequest: what a user asks for, as one immutable value that becomes the engine's `spec.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ctdiffusion.core.strictjson import check_plain
from ctdiffusion.scan.viewsets import checked_angles, equispaced, limited_angle

SCHEMA = 1
GEOMETRIES = ("parallel", "fan", "fan-curved", "cone")
DEVICES = ("auto", "cpu", "cuda")
INPUT_KINDS = ("volume", "projections")
# What the engine takes as measured projections where nothing else is said (`commands.reconstruct`, which needs torch).
PROJECTION_SUFFIXES = (".json", ".h5", ".hdf5", ".hdf", ".nxs", ".npz")
MAX_VIEWS = 10_000


@dataclass(frozen=True)
class ReconstructionRequest:
    """One reconstruction. Angles in degrees, lengths in mm. What is checked here is what can be known at once; the
    engine checks everything again, strictly.

    Attributes:
        method: name of a method.
        geometry: parallel, fan, fan-curved or cone (fitted to the volume), or a full geometry as the engine writes it
            (lengths in mm, angles in radians). Measured projections bring their own; a preset is then not used.
        views: number of views; of measured projections, so many equally spaced ones (None: all).
        arc_deg: arc of the views (None: 180 for a parallel beam, else 360).
        start_deg: angle of the first view.
        limited_deg: (start, span) of a limited-angle acquisition.
        angles_deg: every view angle, instead of the four above.
        simulation: noise and sampling of the simulated measurement; what is left out keeps its default.
        parameters: parameters of the method, likewise.
        prior: name or folder of a prior pack (None: the default one).
        slices: (start, stop) of the slices to reconstruct, as in Python (None: all).
        device: auto, cpu or cuda.
        seed: of every random number.
        assume_hu: take the voxels as HU even where they do not look like it.
        keep_projections: write the projections and their residual beside the result.

    Raises:
        ValueError: one line that begins with the field.
    """

    method: str = "dds"
    geometry: str | dict[str, Any] | None = "fan"
    views: int | None = 30
    arc_deg: float | None = None
    start_deg: float = 0.0
    limited_deg: tuple[float, float] | None = None
    angles_deg: tuple[float, ...] | None = None
    simulation: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    prior: str | None = None
    slices: tuple[int, int] | None = None
    device: str = "auto"
    seed: int = 0
    assume_hu: bool = False
    keep_projections: bool = False

    def __post_init__(self) -> None:
        for name in ("limited_deg", "angles_deg", "slices"):
            value = getattr(self, name)
            if value is not None:
                _require(isinstance(value, Sequence) and not isinstance(value, str), name, "expected a list", value)
                object.__setattr__(self, name, tuple(value))
        for name in ("simulation", "parameters"):
            value = getattr(self, name)
            _require(isinstance(value, Mapping), name, "expected names with values", value)
            object.__setattr__(self, name, dict(value))
            check_plain(getattr(self, name), name)
        _require(isinstance(self.method, str) and self.method.strip() != "", "method", "a name is needed", self.method)
        _require(self.device in DEVICES, "device", f"must be one of {', '.join(DEVICES)}", self.device)
        _require(_whole(self.seed) and self.seed >= 0, "seed", "expected a whole number of at least 0", self.seed)
        self._check_slices()
        if isinstance(self.geometry, dict):
            check_plain(self.geometry, "geometry")
        elif self.geometry is not None:
            text = f"must be one of {', '.join(GEOMETRIES)} or a full geometry"
            _require(self.geometry in GEOMETRIES, "geometry", text, self.geometry)
        self._check_views()

    def spec(self, input_path: str | Path, input_kind: str = "volume") -> dict[str, Any]:
        """The engine's `spec.json` as plain values.

        Args:
            input_path: the volume or the measured projections; a relative path starts at the job folder.
            input_kind: volume or projections.

        Raises:
            ValueError: what was asked for does not fit the kind of input.
        """
        _require(input_kind in INPUT_KINDS, "input_kind", f"must be one of {', '.join(INPUT_KINDS)}", input_kind)
        values: dict[str, Any] = {
            "schema": SCHEMA,
            "input": str(input_path),
            "input_kind": input_kind,
            "method": self.method,
            "parameters": dict(self.parameters),
            "prior": self.prior,
            "device": self.device,
            "seed": self.seed,
            "keep_projections": self.keep_projections,
        }
        if input_kind == "projections":
            for name in ("arc_deg", "limited_deg", "angles_deg", "slices"):
                text = "measured projections bring their own geometry; leave it out"
                _require(getattr(self, name) is None, name, text, getattr(self, name))
            text = "measured projections bring their own geometry; leave it out"
            _require(not isinstance(self.geometry, dict), "geometry", text, "a full geometry")
            return {**values, "geometry": None, "views": self.views}
        _require(self.geometry is not None, "geometry", "a volume needs one", None)
        full = isinstance(self.geometry, dict) or self.angles_deg is not None
        return {
            **values,
            "geometry": self.geometry,
            "views": None if full else self.views,
            "arc_deg": self.arc_deg,
            "start_deg": float(self.start_deg),
            "limited_deg": _listed(self.limited_deg),
            "angles_deg": _listed(self.angles_deg),
            "simulation": dict(self.simulation),
            "assume_hu": self.assume_hu,
            "slices": _listed(self.slices),
        }

    def changed(self, **values: Any) -> ReconstructionRequest:
        """The same request with other values.

        Raises:
            ValueError: an unknown name, or a value that is refused.
        """
        for name in values:
            if name not in self.__dataclass_fields__:
                raise ValueError(f"{name}: unknown option (known: {', '.join(self.__dataclass_fields__)})")
        return replace(self, **values)

    def angles(self) -> tuple[float, ...]:
        """View angles in radians of a geometry that is fitted to the volume, as the engine's `JobSpec.angles`.

        Raises:
            ValueError: there are none.
        """
        if self.angles_deg is not None:
            return tuple(math.radians(angle) for angle in self.angles_deg)
        if self.views is None:
            raise ValueError("views: missing (or give angles_deg)")
        if self.limited_deg is not None:
            start, span = map(math.radians, self.limited_deg)
            return limited_angle(self.views, start, span)
        arc = self.arc_deg if self.arc_deg is not None else (180.0 if self.geometry == "parallel" else 360.0)
        return equispaced(self.views, math.radians(arc), math.radians(self.start_deg))

    @property
    def view_count(self) -> int | None:
        """Number of views, or None where measured projections decide."""
        if isinstance(self.geometry, dict):
            angles = self.geometry.get("angles")
            return len(angles) if isinstance(angles, (list, tuple)) else None
        return len(self.angles_deg) if self.angles_deg is not None else self.views

    @property
    def label(self) -> str:
        """What a result is called after its input: `DDS 30 views`."""
        cone = self.geometry == "cone" or (isinstance(self.geometry, dict) and self.geometry.get("kind") == "cone")
        name = "FDK" if self.method == "fbp" and cone else self.method.upper()
        count = self.view_count
        return name if count is None else f"{name} {count} view{'' if count == 1 else 's'}"

    def _check_views(self) -> None:
        if self.views is not None:
            good = _whole(self.views) and 1 <= self.views <= MAX_VIEWS
            _require(good, "views", f"expected a whole number from 1 to {MAX_VIEWS}", self.views)
        for name in ("arc_deg", "start_deg"):
            value = getattr(self, name)
            _require((value is None and name == "arc_deg") or _finite(value), name, "expected degrees", value)
        field_name = "arc_deg"
        if self.arc_deg is not None:
            good = 0.0 < self.arc_deg <= 360.0
            _require(good, "arc_deg", "expected more than 0 and at most 360 degrees", self.arc_deg)
        if self.limited_deg is not None:
            good = len(self.limited_deg) == 2 and all(map(_finite, self.limited_deg))
            _require(good, "limited_deg", "expected (start, span) in degrees", self.limited_deg)
            _require(self.arc_deg is None, "arc_deg", "not together with limited_deg", self.arc_deg)
            _require(self.start_deg == 0.0, "start_deg", "not together with limited_deg", self.start_deg)
            span = self.limited_deg[1]
            _require(0.0 < span < 360.0, "limited_deg", "expected a span between 0 and 360 degrees", span)
            field_name = "limited_deg"
        if self.angles_deg is not None:
            good = len(self.angles_deg) > 0 and all(map(_finite, self.angles_deg))
            _require(good, "angles_deg", "expected a list of degrees", self.angles_deg)
            for name in ("arc_deg", "limited_deg"):
                _require(getattr(self, name) is None, name, "not together with angles_deg", getattr(self, name))
            _require(self.start_deg == 0.0, "start_deg", "not together with angles_deg", self.start_deg)
            span = max(self.angles_deg) - min(self.angles_deg)
            _require(span <= 360.0, "angles_deg", "expected at most a full turn of 360 degrees", span)
            field_name = "angles_deg"
        if self.views is None and self.angles_deg is None:
            return
        try:
            checked_angles(self.angles())
        except ValueError as error:
            raise ValueError(f"{field_name}: {error}") from None

    def _check_slices(self) -> None:
        if self.slices is None:
            return
        good = len(self.slices) == 2 and all(map(_whole, self.slices)) and 0 <= self.slices[0] < self.slices[1]
        _require(good, "slices", "expected (start, stop) with 0 <= start < stop", self.slices)


def input_kind_of(path: str | Path) -> str:
    """volume or projections, from a file's suffix."""
    return "projections" if Path(path).suffix.lower() in PROJECTION_SUFFIXES else "volume"


def _require(good: bool, name: str, text: str, value: object) -> None:
    if not good:
        shown = ascii(value)
        raise ValueError(f"{name}: {text}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _listed(value: tuple[Any, ...] | None) -> list[Any] | None:
    return None if value is None else list(value)
