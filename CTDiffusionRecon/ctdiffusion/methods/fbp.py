"""Filtered back-projection; FDK for cone beams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


@dataclass(frozen=True)
class FBPParameters:
    """Parameters of FBP and FDK."""

    filter: str = parameter(
        "ram-lak",
        "Window on the ramp filter, from sharpest to smoothest: ram-lak, shepp-logan, cosine, hamming, hann.",
        choices=("ram-lak", "shepp-logan", "cosine", "hamming", "hann"),
    )


def reconstruct(problem: Problem, parameters: FBPParameters) -> Tensor:
    """Filtered back-projection in 1/mm."""
    with problem.monitor.timed("projector"):
        result = problem.operator.fbp(problem.projections.data, parameters.filter)
    problem.monitor.step("fbp", 1, 1, result)
    return result


FBP = register(
    Method(
        name="fbp",
        title="FBP / FDK",
        summary="Filtered back-projection; Feldkamp-Davis-Kress for cone beams. Instant, and the yardstick.",
        source="Kak & Slaney 1988, chapter 3; Feldkamp, Davis & Kress 1984, doi:10.1364/JOSAA.1.000612",
        parameters=FBPParameters,
        run=reconstruct,
    )
)
