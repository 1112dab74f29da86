"""What a method is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.monitor import Monitor
    from ..core.noise import NoiseSource
    from ..operators.base import LinearOperator
    from ..priors.kinds import AnyPrior
    from ..scan.beams import Grid
    from ..scan.projections import Projections


@dataclass(frozen=True)
class Problem:
    """Everything a reconstruction method may use (contract C5). There is no reference volume in it.

    Attributes:
        projections: the measurement.
        operator: the projector of its geometry on `grid`.
        grid: the voxel grid to reconstruct on.
        noise: the noise source of the job.
        monitor: progress, cancel and resume.
        prior: the prior, for methods that need one.
    """

    projections: Projections
    operator: LinearOperator
    grid: Grid
    noise: NoiseSource
    monitor: Monitor
    prior: AnyPrior | None = None
