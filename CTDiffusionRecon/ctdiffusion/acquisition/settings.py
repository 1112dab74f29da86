"""How projections of a volume are simulated, as a value. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.schema import parameter, validate


@dataclass(frozen=True)
class SimulationSettings:
    """How projections of a volume are simulated.

    Raises:
        ValueError: a value outside its range; the text names it.
    """

    photons: float = parameter(
        1e5, "Photons that reach a detector element through air.", unit="photons", low=10.0, high=1e12
    )
    electronic: float = parameter(
        10.0, "Standard deviation of the electronic noise of a detector element.", unit="photons", low=0.0, high=1e6
    )
    oversampling: int = parameter(
        2, "How many times finer than the reconstruction the object and the detector are simulated.", low=1, high=8
    )
    noise: bool = parameter(True, "Add photon and electronic noise.")
    same_grid: bool = parameter(
        False,
        "Simulate with the reconstruction's own projector and grid. Only for tests of a method: an inverse crime.",
    )

    def __post_init__(self) -> None:
        validate(self, "simulation")

    @property
    def finer(self) -> int:
        """How many times finer than the reconstruction it is in fact simulated."""
        return 1 if self.same_grid else self.oversampling
