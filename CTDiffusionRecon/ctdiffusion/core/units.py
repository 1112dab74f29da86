"""The one place where intensities change their scale: HU <-> attenuation (1/mm) <-> prior range [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# Linear attenuation of water at 70 keV, the effective energy of a 120 kVp diagnostic beam: 0.1929 cm2/g x 1 g/cm3
# (NIST XCOM).
MU_WATER = 0.0193

# Below air there is only padding (-3024 from some vendors, -2000 from others).
LOWEST_HU = -1024.0

Array = TypeVar("Array", NDArray[np.float32], Tensor, float)


@dataclass(frozen=True)
class AttenuationScale:
    """HU <-> mu for one beam energy. `mu_water` is in 1/mm."""

    mu_water: float = MU_WATER

    def __post_init__(self) -> None:
        if not 0.0 < self.mu_water < 100.0:
            raise ValueError(f"mu_water must be a positive attenuation in 1/mm, got {self.mu_water!r}")

    def to_mu(self, hu: Array) -> Array:
        """HU to attenuation in 1/mm: mu = mu_water (1 + HU / 1000)."""
        return (hu / 1000.0 + 1.0) * self.mu_water

    def to_hu(self, mu: Array) -> Array:
        """Attenuation in 1/mm to HU."""
        return mu / self.mu_water * 1000.0 - 1000.0


@dataclass(frozen=True)
class HUWindow:
    """The HU interval that a prior sees as [0, 1]. Values outside are not clipped here."""

    low: float = -1000.0
    high: float = 1600.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"HU window must be increasing, got [{self.low}, {self.high}]")

    def normalise(self, hu: Array) -> Array:
        """HU to the prior's range."""
        return (hu - self.low) / (self.high - self.low)

    def denormalise(self, x: Array) -> Array:
        """Prior range to HU."""
        return x * (self.high - self.low) + self.low


def robust_maximum(intensities: NDArray[np.float32]) -> float:
    """The 99.9th percentile, which a few bright voxels (vessels, spikes) do not move.

    Raises:
        ValueError: it is not positive.
    """
    value = float(np.percentile(intensities, 99.9))
    if not value > 0.0:
        raise ValueError(f"intensities: the 99.9th percentile is {value:g}; MR intensities must be positive")
    return value


def per_mille(intensities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intensities without a unit, such as MR, in per mille of their robust maximum.

    Raises:
        ValueError: the robust maximum is not positive.
    """
    return np.multiply(intensities, 1000.0 / robust_maximum(intensities), dtype=np.float32)
