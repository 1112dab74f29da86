"""What a report shows of one reconstruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...images.volume import Volume


@dataclass(frozen=True, eq=False)
class Entry:
    """One finished reconstruction.

    Attributes:
        label: what a reader reads, for example `DDS`.
        volume: the result in HU.
        metrics: `quality.metrics.compare` against a reference; empty where there is none.
        misfit: `quality.misfit.misfit`: `relative` and `chi2`, each possibly None.
        seconds: wall-clock time of the reconstruction.
        settings: the method's parameters and whatever else tells how it was made.
    """

    label: str
    volume: Volume
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    misfit: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
