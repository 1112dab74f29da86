"""The specification of a z super-resolution: thin slices from thick ones. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..core.schema import parameter
from ..methods.registry import SUPERRESOLUTION
from ..operators.slice_profiles import FACTORS, PROFILES
from .spec import Specification, require


@dataclass(frozen=True, kw_only=True)
class SuperResolutionSpec(Specification):
    """One z super-resolution of a CT or MR volume."""

    TASK: ClassVar[str] = SUPERRESOLUTION

    method: str = parameter("zsr", "Name of a method.")
    factor: int | None = parameter(
        None, "Thin slices per thick one; automatic: nearly cubic voxels.", low=FACTORS[0], high=FACTORS[1]
    )
    profile: str = parameter(
        "rectangle", "Profile of the thick slices; a rectangle is one slice distance wide.", choices=PROFILES
    )
    profile_mm: float | None = parameter(
        None, "Full width at half maximum of a gaussian or trapezoid profile.", unit="mm", low=1e-6, high=999.0
    )
    simulate_from_thin: bool = parameter(
        False, "The input holds thin slices: average so many of them first, then judge the result against them."
    )

    def check(self) -> None:
        """Factor and profile."""
        if self.simulate_from_thin:
            require(self.factor is not None, "factor", "missing; thick slices are to be simulated", None)
        if self.profile == "rectangle":
            text = "a rectangle is one slice distance wide; leave it null"
            require(self.profile_mm is None, "profile_mm", text, self.profile_mm)
        else:
            require(self.profile_mm is not None, "profile_mm", "expected the profile's width in mm", None)

    @property
    def label(self) -> str:
        """What a result is called after its input: `ZSR x5`."""
        return self.method.upper() + ("" if self.factor is None else f" x{self.factor}")
