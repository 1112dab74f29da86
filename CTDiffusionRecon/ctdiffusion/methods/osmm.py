"""OSMM: ordered subsets of the views, each a sinogram of its own, then the whole (Yu et al. 2025, arXiv:2505.09985).

The paper trains one model for every subset. Subsets of a turn differ by a rotation only, so one model serves all here:
a relative of the published system in the same engine, not the published networks. See `sinogram_sampling`.
"""

from __future__ import annotations

from torch import Tensor

from ..samplers.sinogram import Stage
from .families.sinograms import PUBLISHED, SinogramParameters, every_row, reconstruct, subset
from .registry import Method, Problem, register


def stages(views: int, stride: int, wanted: int) -> list[Stage]:
    """The sparse-view model on all ordered subsets, then the full-view model."""
    return [subset(views, stride, wanted, all_offsets=True), every_row()]


def run(problem: Problem, parameters: SinogramParameters) -> Tensor:
    """OSMM in 1/mm; see `sinogram_sampling.reconstruct`."""
    return reconstruct(problem, parameters, stages)


OSMM = register(
    Method(
        name="osmm",
        title="OSMM",
        summary="Like MSDiff with the sparse-view model on all ordered subsets of the views.",
        source="Yu et al. 2025, arXiv:2505.09985",
        parameters=SinogramParameters,
        run=run,
        needs_prior=True,
        prior_kind="sinogram",
        default_prior="sinogram-360",
        presets={"published": PUBLISHED},
        evaluations=2.0,
    )
)
