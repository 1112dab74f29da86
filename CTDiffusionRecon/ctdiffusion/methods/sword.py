"""SWORD: all wavelet bands of a sinogram, then the high bands again (Xu et al. 2024, IEEE TMI).

The paper trains two models of Haar bands. Here the second stage is the full-view model confined to the three high
bands: a relative in the same engine, not the published networks. The rows are replaced in the sinogram, where that is
exact; the released code replaces rows of wavelet coefficients. See `sinogram_sampling`.
"""

from __future__ import annotations

from torch import Tensor

from ..samplers.sinogram import Stage
from .families.sinograms import PUBLISHED, SinogramParameters, every_row, reconstruct
from .registry import Method, Problem, register


def stages(views: int, stride: int, wanted: int) -> list[Stage]:
    """The full-view model on all bands, then on the high bands."""
    return [every_row(), every_row(high=True)]


def run(problem: Problem, parameters: SinogramParameters) -> Tensor:
    """SWORD in 1/mm; see `sinogram_sampling.reconstruct`."""
    return reconstruct(problem, parameters, stages)


SWORD = register(
    Method(
        name="sword",
        title="SWORD",
        summary="The score model of full-view sinograms acts on all wavelet bands, then on the high ones again.",
        source="Xu et al. 2024, Stage-by-stage wavelet optimization refinement, IEEE TMI",
        parameters=SinogramParameters,
        run=run,
        needs_prior=True,
        prior_kind="sinogram",
        default_prior="sinogram-360",
        presets={"published": PUBLISHED},
        evaluations=2.0,
    )
)
