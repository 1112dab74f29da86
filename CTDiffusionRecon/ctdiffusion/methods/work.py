"""What a method declares of its work, so that time can be estimated before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

# An iteration that stops by itself when it has converged takes about this share of what it may take.
CONVERGED = 0.6


@dataclass(frozen=True)
class Work:
    """The work of a reconstruction.

    Attributes:
        pairs: forward projections, each with its back-projection.
        evaluations: network evaluations of every slice.
        grid: the choice of `scan.sampling_grid.sampling_grid` on which both happen.
    """

    pairs: float
    evaluations: float = 0.0
    grid: str = "input"
