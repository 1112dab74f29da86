"""JobSpec: everything one reconstruction is made of, as a strict, immutable value (`spec.json`, contract C1)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..acquisition.simulate import SimulationSettings
from ..core.parameters import from_mapping
from ..core.strictjson import check_plain, parse_object, shorten
from ..methods.registry import method_named
from ..scan.beams import Geometry, equispaced, geometry_from_dict, limited_angle

SCHEMA = 1
PRESETS = ("parallel", "fan", "fan-curved", "cone")
DEVICES = ("auto", "cpu", "cuda")
INPUT_KINDS = ("volume", "projections")
MAX_VIEWS = 10_000
_TEXTS = ("input", "input_kind", "method", "device")


@dataclass(frozen=True)
class JobSpec:
    """One reconstruction. Angles are in degrees here because people write this file.

    Attributes:
        input: path of the volume or of the measured projections; a relative path starts at the job folder.
        method: name of a method.
        input_kind: volume (projections are simulated from it) or projections (measured).
        geometry: parallel, fan, fan-curved or cone (defaults fitted to the volume), a full geometry as a dictionary
            (lengths in mm, angles in radians), or None for measured projections, which bring their own.
        views: number of views; for measured projections, equally spaced ones among those that exist (None: all).
        arc_deg: arc of equally spaced views (None: 180 for a parallel beam, else 360).
        start_deg: angle of the first view.
        limited_deg: (start, span) of a limited-angle acquisition, both ends included.
        angles_deg: every view angle.
        simulation: noise and discretisation of the simulated measurement.
        parameters: parameters of the method; those left out keep their defaults.
        assume_hu: take the volume's values as HU even where they do not look like it.
        prior: name or folder of a prior pack; None takes the method's default.
        slices: (start, stop) of the slices to reconstruct, as in Python; None takes all.
        device: auto, cpu or cuda.
        seed: seed of the simulated noise and of the method's noise.
        keep_projections: write the projections and the result's residual in them beside the result.

    Raises:
        ValueError: any value that is not allowed; the text begins with `spec.` and the field.
    """

    input: str
    method: str
    input_kind: str = "volume"
    geometry: str | dict[str, Any] | None = None
    views: int | None = None
    arc_deg: float | None = None
    start_deg: float = 0.0
    limited_deg: tuple[float, float] | None = None
    angles_deg: tuple[float, ...] | None = None
    simulation: SimulationSettings = field(default_factory=SimulationSettings)
    parameters: dict[str, Any] = field(default_factory=dict)
    assume_hu: bool = False
    prior: str | None = None
    slices: tuple[int, int] | None = None
    device: str = "auto"
    seed: int = 0
    keep_projections: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name != "simulation":
                check_plain(getattr(self, item.name), f"spec.{item.name}")
        for name in _TEXTS:
            _require(isinstance(getattr(self, name), str), name, "expected a text", getattr(self, name))
        _require(self.input.strip() != "", "input", "a path is needed", self.input)
        _require("://" not in self.input, "input", "expected a path, not an address", self.input)
        _one_of("input_kind", self.input_kind, INPUT_KINDS)
        _one_of("device", self.device, DEVICES)
        _require(_is_int(self.seed) and self.seed >= 0, "seed", "expected an integer of at least 0", self.seed)
        for name in ("assume_hu", "keep_projections"):
            _require(isinstance(getattr(self, name), bool), name, "expected true or false", getattr(self, name))
        if self.prior is not None:
            good = isinstance(self.prior, str) and self.prior.strip() != ""
            _require(good, "prior", "expected the name or folder of a prior pack", self.prior)
        if self.slices is not None:
            object.__setattr__(self, "slices", _slices(self.slices))
        if not isinstance(self.simulation, SimulationSettings):
            raise ValueError(f"spec.simulation: expected an object, got {shorten(self.simulation)}")
        if not isinstance(self.parameters, dict):
            raise ValueError(f"spec.parameters: expected an object, got {shorten(self.parameters)}")
        self.method_parameters()
        self._check_geometry()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JobSpec:
        """Read plain JSON values, strictly: every field known, of its type, finite; `schema` must be this one's.

        Raises:
            ValueError: the text begins with `spec.` and the field.
        """
        rest = dict(values)
        schema = rest.pop("schema", None)
        if not _is_int(schema) or schema != SCHEMA:
            age = "newer" if _is_int(schema) and schema > SCHEMA else "not readable"
            raise ValueError(f"spec.schema: this version reads schema {SCHEMA}, got {shorten(schema)} ({age})")
        known = {item.name for item in fields(cls)}
        for name in rest:
            if name not in known:
                raise ValueError(f"spec.{shorten(name)}: unknown field (known: {', '.join(sorted(known))})")
        for name in ("input", "method"):
            if name not in rest:
                raise ValueError(f"spec.{name}: missing")
        simulation = rest.pop("simulation", {})
        if not isinstance(simulation, Mapping):
            raise ValueError(f"spec.simulation: expected an object, got {shorten(simulation)}")
        check_plain(dict(simulation), "spec.simulation")
        settings = from_mapping(SimulationSettings, simulation, "spec.simulation")
        return cls(simulation=settings, **rest)

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """Read a JSON text; see `from_dict`."""
        return cls.from_dict(parse_object(text, "spec"))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back to an equal specification."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["simulation"] = asdict(self.simulation)
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
        return {"schema": SCHEMA, **plain}

    @property
    def digest(self) -> str:
        """SHA-256 of the specification, by which a saved state is known to belong to it."""
        return sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def method_parameters(self) -> Any:
        """The method's parameter dataclass, checked.

        Raises:
            ValueError: unknown method or a parameter it refuses.
        """
        try:
            owner = method_named(self.method).parameters
        except ValueError as error:
            raise ValueError(f"spec.{error}") from None
        return from_mapping(owner, self.parameters, "spec.parameters")

    def explicit_geometry(self) -> Geometry | None:
        """The full geometry, where one was given."""
        if not isinstance(self.geometry, dict):
            return None
        try:
            return geometry_from_dict(self.geometry)
        except ValueError as error:
            text = str(error)
            raise ValueError(f"spec.{text}" if text.startswith("geometry") else f"spec.geometry: {text}") from None

    def angles(self) -> tuple[float, ...]:
        """View angles in radians for a preset geometry."""
        if self.angles_deg is not None:
            return tuple(math.radians(a) for a in self.angles_deg)
        assert self.views is not None
        if self.limited_deg is not None:
            start, span = (math.radians(a) for a in self.limited_deg)
            return limited_angle(self.views, start, span)
        arc = self.arc_deg if self.arc_deg is not None else (180.0 if self.geometry == "parallel" else 360.0)
        return equispaced(self.views, math.radians(arc), math.radians(self.start_deg))

    def input_path(self, folder: Path) -> Path:
        """Where the input lies, for a job in `folder`.

        Raises:
            ValueError: a relative path that leaves the job folder.
        """
        path = Path(self.input)
        if path.is_absolute():
            return path
        inside = (folder / path).resolve()
        if not inside.is_relative_to(folder.resolve()):
            raise ValueError(f"spec.input: a relative path must stay in the job folder, got {shorten(self.input)}")
        return inside

    def _check_geometry(self) -> None:
        if self.views is not None:
            good = _is_int(self.views) and 1 <= self.views <= MAX_VIEWS
            _require(good, "views", f"expected an integer from 1 to {MAX_VIEWS}", self.views)
        for name in ("arc_deg", "start_deg"):
            value = getattr(self, name)
            if value is None and name == "arc_deg":
                continue
            _require(_is_number(value), name, "expected a number of degrees", value)
        if self.input_kind == "projections" or isinstance(self.geometry, dict):
            self._no_view_angles()
            self.explicit_geometry()
            if self.input_kind == "projections" and self.geometry is not None:
                raise ValueError("spec.geometry: measured projections bring their own geometry; leave it null")
            return
        if self.geometry is None or not isinstance(self.geometry, str):
            raise ValueError(f"spec.geometry: expected a preset or an object, got {shorten(self.geometry)}")
        _one_of("geometry", self.geometry, PRESETS)
        self._check_view_set()

    def _no_view_angles(self) -> None:
        for name in ("arc_deg", "limited_deg", "angles_deg"):
            if getattr(self, name) is not None:
                raise ValueError(f"spec.{name}: the geometry brings its own view angles")
        if self.start_deg != 0.0:
            raise ValueError("spec.start_deg: the geometry brings its own view angles")
        if self.views is not None and self.input_kind == "volume":
            raise ValueError("spec.views: the geometry brings its own view angles")

    def _check_view_set(self) -> None:
        if self.angles_deg is not None:
            for name in ("views", "arc_deg", "limited_deg"):
                _require(getattr(self, name) is None, name, "not together with angles_deg", getattr(self, name))
            _require(self.start_deg == 0.0, "start_deg", "not together with angles_deg", self.start_deg)
            good = isinstance(self.angles_deg, (list, tuple)) and all(_is_number(a) for a in self.angles_deg)
            _require(good, "angles_deg", "expected a list of numbers", self.angles_deg)
            object.__setattr__(self, "angles_deg", tuple(float(a) for a in self.angles_deg))
            span = max(self.angles_deg, default=0.0) - min(self.angles_deg, default=0.0)
            _require(span <= 360.0, "angles_deg", "expected at most a full turn of 360 degrees", span)
            field_name = "angles_deg"
        else:
            _require(self.views is not None, "views", "missing (or give angles_deg)", self.views)
            field_name = "arc_deg"
            if self.limited_deg is not None:
                _require(self.arc_deg is None, "arc_deg", "not together with limited_deg", self.arc_deg)
                _require(self.start_deg == 0.0, "start_deg", "not together with limited_deg", self.start_deg)
                good = isinstance(self.limited_deg, (list, tuple)) and len(self.limited_deg) == 2
                good = good and all(_is_number(a) for a in self.limited_deg)
                _require(good, "limited_deg", "expected [start, span] in degrees", self.limited_deg)
                object.__setattr__(self, "limited_deg", tuple(float(a) for a in self.limited_deg))
                span = self.limited_deg[1]
                _require(0.0 < span < 360.0, "limited_deg", "expected a span between 0 and 360 degrees", span)
                field_name = "limited_deg"
            elif self.arc_deg is not None:
                good = 0.0 < self.arc_deg <= 360.0
                _require(good, "arc_deg", "expected more than 0 and at most 360 degrees", self.arc_deg)
        try:
            angles = self.angles()
            _distinct(angles)
        except ValueError as error:
            raise ValueError(f"spec.{field_name}: {error}") from None


def _distinct(angles: tuple[float, ...]) -> None:
    # A parallel beam of one column is the smallest geometry that checks a list of angles.
    geometry_from_dict({"kind": "parallel", "angles": list(angles), "columns": 1, "column_spacing": 1.0})


def _slices(value: Any) -> tuple[int, int]:
    good = isinstance(value, (list, tuple)) and len(value) == 2 and all(_is_int(v) for v in value)
    _require(good, "slices", "expected [start, stop]", value)
    start, stop = value
    _require(0 <= start < stop, "slices", "expected 0 <= start < stop", value)
    return (start, stop)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    _require(value in allowed, name, f"must be one of {', '.join(allowed)}", value)


def _require(good: bool, name: str, text: str, value: object) -> None:
    if not good:
        raise ValueError(f"spec.{name}: {text}, got {shorten(value)}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
