"""Projections: line integrals with their geometry, noise level and origin. What every method reconstructs from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.units import AttenuationScale
from .beams import Geometry


@dataclass(frozen=True)
class Projections:
    """Dimensionless line integrals.

    Attributes:
        data: float32, `[slice, view, column]` for parallel and fan beams, `[view, row, column]` for a cone beam.
        geometry: the geometry they were taken with.
        variance: variance of every line integral, of the same shape (infinite where a detector pixel is dead);
            None where the noise is unknown or absent.
        simulated: true for projections computed from a volume.
        noise_free: true where simulation added no noise.
        scale: HU scale of the beam.
        first_slice: absolute index of the first slice in the volume they belong to.
        notes: what a reader of a result made from them has to know (same-grid simulation, starved rays).
    """

    data: Tensor
    geometry: Geometry
    variance: Tensor | None = None
    simulated: bool = False
    noise_free: bool = False
    scale: AttenuationScale = AttenuationScale()
    first_slice: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise ValueError(f"projections must have three axes, got shape {tuple(self.data.shape)}")
        expected = self.geometry.data_shape(self.data.shape[0])
        if tuple(self.data.shape) != expected:
            axes = "[slice, view, column]" if self.geometry.is_stack else "[view, row, column]"
            raise ValueError(
                f"projections of shape {tuple(self.data.shape)} do not fit the {self.geometry.kind} geometry, "
                f"which needs {axes} = {expected}: are axes transposed?"
            )
        if self.variance is not None and self.variance.shape != self.data.shape:
            raise ValueError(f"variance has shape {tuple(self.variance.shape)}, data {tuple(self.data.shape)}")

    @property
    def weights(self) -> Tensor | None:
        """Statistical weights 1 / variance (0 at dead pixels), or None where the variance is unknown."""
        return None if self.variance is None else self.variance.reciprocal()

    def views(self, indices: Sequence[int]) -> Projections:
        """Only the views at `indices`.

        Raises:
            IndexError: an index outside the views that exist.
        """
        axis = 1 if self.geometry.is_stack else 0
        chosen = torch.as_tensor(list(indices), device=self.data.device)
        variance = None if self.variance is None else self.variance.index_select(axis, chosen)
        return replace(
            self,
            data=self.data.index_select(axis, chosen),
            geometry=self.geometry.subset(indices),
            variance=variance,
        )

    def to(self, device: torch.device) -> Projections:
        """The same projections on another device."""
        variance = None if self.variance is None else self.variance.to(device)
        return replace(self, data=self.data.to(device), variance=variance)
