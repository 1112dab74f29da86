"""MSDiff: a sparse-view and a full-view score model of sinograms in turn (Yang et al. 2024, arXiv:2405.05814).

The sparse-view model (SDM) sees every sixth row as a sinogram of its own; the released one sees the same rows between
rows of zeros. Both models are one network with a label. The released first replacement acts on a tensor that is not
used afterwards, and its mask counts in a padded frame; here the measured rows are put back where they were measured.
Where all of its rows were measured (60 of 360 views), the sparse-view model is left out. See `sinogram_sampling`.
"""

from __future__ import annotations

from torch import Tensor

from ..samplers.sinogram import Stage
from .families.sinograms import PUBLISHED, SinogramParameters, every_row, reconstruct, subset
from .registry import Method, Problem, register


def stages(views: int, stride: int, wanted: int) -> list[Stage]:
    """SDM on every sixth row, then FDM on all."""
    return [subset(views, stride, wanted), every_row()]


def run(problem: Problem, parameters: SinogramParameters) -> Tensor:
    """MSDiff in 1/mm; see `sinogram_sampling.reconstruct`."""
    return reconstruct(problem, parameters, stages)


MSDIFF = register(
    Method(
        name="msdiff",
        title="MSDiff",
        summary="Two score models of sinograms, of every sixth view and of all views, fill in what was not measured.",
        source="MSDiff 2024, arXiv:2405.05814",
        parameters=SinogramParameters,
        run=run,
        needs_prior=True,
        prior_kind="sinogram",
        default_prior="sinogram-360",
        presets={"published": PUBLISHED},
        evaluations=1.2,
    )
)
