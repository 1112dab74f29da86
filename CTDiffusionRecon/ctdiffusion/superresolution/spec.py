"""The specification of a z super-resolution job (`spec.json` with `"task": "superresolution"`, contract C1)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..core.parameters import from_mapping
from ..core.strictjson import check_plain, shorten
from ..operators.slice_average import FACTORS, PROFILES
from .registry import slice_method_named

SCHEMA = 1
TASK = "superresolution"
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class SuperResolutionSpec:
    """One z super-resolution.

    Attributes:
        input: path of the volume; a relative path starts at the job folder.
        method: name of a super-resolution method.
        factor: thin slices per thick one; None chooses nearly isotropic voxels.
        simulate_from_thin: the input is the truth: average its slices first, then judge the result against it.
        profile: slice profile: rectangle, gaussian or trapezoid.
        profile_mm: full width at half maximum of a gaussian or trapezoid.
        parameters: parameters of the method; those left out keep their defaults.
        assume_hu: take the volume's values as HU even where they do not look like it.
        prior: name or folder of a prior pack; None takes that of the volume's modality.
        device: auto, cpu or cuda.
        seed: seed of the method's noise.

    Raises:
        ValueError: any value that is not allowed; the text begins with `spec.` and the field.
    """

    input: str
    method: str = "zsr"
    factor: int | None = None
    simulate_from_thin: bool = False
    profile: str = "rectangle"
    profile_mm: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    assume_hu: bool = False
    prior: str | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for item in fields(self):
            check_plain(getattr(self, item.name), f"spec.{item.name}")
        for name in ("input", "method", "profile", "device"):
            _require(isinstance(getattr(self, name), str), name, "expected a text", getattr(self, name))
        for name in ("simulate_from_thin", "assume_hu"):
            _require(isinstance(getattr(self, name), bool), name, "expected true or false", getattr(self, name))
        _require(self.input.strip() != "", "input", "a path is needed", self.input)
        _require("://" not in self.input, "input", "expected a path, not an address", self.input)
        _require(self.device in DEVICES, "device", f"must be one of {', '.join(DEVICES)}", self.device)
        _require(_is_int(self.seed) and self.seed >= 0, "seed", "expected an integer of at least 0", self.seed)
        low, high = FACTORS
        good = self.factor is None or (_is_int(self.factor) and low <= self.factor <= high)
        _require(good, "factor", f"expected an integer from {low} to {high}, or null", self.factor)
        if self.simulate_from_thin and self.factor is None:
            raise ValueError("spec.factor: missing; thick slices are to be simulated")
        self._check_profile()
        good = self.prior is None or (isinstance(self.prior, str) and self.prior.strip() != "")
        _require(good, "prior", "expected the name or folder of a prior pack", self.prior)
        _require(isinstance(self.parameters, dict), "parameters", "expected an object", self.parameters)
        self.method_parameters()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SuperResolutionSpec:
        """Read plain JSON values, strictly: every field known, of its type, finite.

        Raises:
            ValueError: the text begins with `spec.` and the field.
        """
        rest = dict(values)
        schema, task = rest.pop("schema", None), rest.pop("task", None)
        _require(_is_int(schema) and schema == SCHEMA, "schema", f"this version reads schema {SCHEMA}", schema)
        _require(task == TASK, "task", f"expected {TASK}", task)
        known = {item.name for item in fields(cls)}
        for name in rest:
            if name not in known:
                raise ValueError(f"spec.{shorten(name)}: unknown field (known: {', '.join(sorted(known))})")
        if "input" not in rest:
            raise ValueError("spec.input: missing")
        return cls(**rest)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back to an equal specification."""
        return {"schema": SCHEMA, "task": TASK, **{item.name: getattr(self, item.name) for item in fields(self)}}

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
            owner = slice_method_named(self.method).parameters
        except ValueError as error:
            raise ValueError(f"spec.{error}") from None
        return from_mapping(owner, self.parameters, "spec.parameters")

    def input_path(self, folder: Path) -> Path:
        """Where the input lies, for a job in `folder`.

        Raises:
            ValueError: a relative path that leaves the job folder.
        """
        path = Path(self.input)
        inside = path if path.is_absolute() else (folder / path).resolve()
        if not path.is_absolute() and not inside.is_relative_to(folder.resolve()):
            raise ValueError(f"spec.input: a relative path must stay in the job folder, got {shorten(self.input)}")
        return inside

    def _check_profile(self) -> None:
        _require(self.profile in PROFILES, "profile", f"must be one of {', '.join(PROFILES)}", self.profile)
        width = self.profile_mm
        if self.profile == "rectangle":
            _require(width is None, "profile_mm", "a rectangle is one slice distance wide; leave it null", width)
            return
        number = isinstance(width, (int, float)) and not isinstance(width, bool) and math.isfinite(width)
        good = number and width is not None and 0.0 < width < 1000.0
        text = "expected the profile's full width at half maximum, above 0 and below 1000 mm"
        _require(good, "profile_mm", text, width)


def _require(good: bool, name: str, text: str, value: object) -> None:
    if not good:
        raise ValueError(f"spec.{name}: {text}, got {shorten(value)}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
