"""What a z super-resolution method is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.monitor import Monitor
    from ..core.noise import NoiseSource
    from ..operators.slice_average import SliceAverage
    from ..priors.prior import Prior


@dataclass(frozen=True)
class ThickStack:
    """Everything a method may use (contract C5). There is no reference volume in it.

    Attributes:
        thick: measured thick slices `[slice, row, column]` in the working range, where 0 to 1 is what a prior was
            trained on: [-1000, 1600] HU for CT, 0 to the robust maximum for MR.
        operator: thin to thick slices.
        spacing: of the thin grid in mm, (slice, row, column).
        unit: width of the working range in HU or per mille; what "1" means to a user.
        noise: the noise source of the job.
        monitor: progress, cancel and resume.
        prior: the prior, for methods that need one.
    """

    thick: Tensor
    operator: SliceAverage
    spacing: tuple[float, float, float]
    unit: float
    noise: NoiseSource
    monitor: Monitor
    prior: Prior | None = None

    def preview(self, x: Tensor) -> Tensor:
        """The working range as the attenuation that a preview shows from black to white."""
        from ..core.units import AttenuationScale

        return AttenuationScale().to_mu(2000.0 * x - 1000.0)
