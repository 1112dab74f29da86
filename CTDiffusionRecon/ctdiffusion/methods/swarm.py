"""SWARM: a model of masked sinograms, then one of their high wavelet bands (Zhou et al. 2025, arXiv:2501.09935).

The paper's models (mask perturbation, one high-band model for the three bands) are replaced by this project's
sparse-view model and by the full-view model confined to the high bands: a relative in the same engine, not the
published networks. See `sinogram_sampling`.
"""

from __future__ import annotations

from torch import Tensor

from ..samplers.sinogram import Stage
from .families.sinograms import PUBLISHED, SinogramParameters, every_row, reconstruct, subset
from .registry import Method, Problem, register


def stages(views: int, stride: int, wanted: int) -> list[Stage]:
    """The sparse-view model, then the full-view model on all and on the high bands."""
    return [subset(views, stride, wanted), every_row(), every_row(high=True)]


def run(problem: Problem, parameters: SinogramParameters) -> Tensor:
    """SWARM in 1/mm; see `sinogram_sampling.reconstruct`."""
    return reconstruct(problem, parameters, stages)


SWARM = register(
    Method(
        name="swarm",
        title="SWARM",
        summary="Sparse-view model, full-view model and its high wavelet bands in turn.",
        source="Zhou et al. 2025, arXiv:2501.09935",
        parameters=SinogramParameters,
        run=run,
        needs_prior=True,
        prior_kind="sinogram",
        default_prior="sinogram-360",
        presets={"published": PUBLISHED},
        evaluations=2.2,
    )
)
