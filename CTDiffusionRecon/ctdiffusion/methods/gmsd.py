"""GMSD: one score model of full-view sinograms and replacement of the measured rows (Guan et al. 2024).

The released code keeps the mean of every predictor and corrector step and drops their noise (preset `published`); the
default renews the noise at every level, which needs far fewer of them. See `sinogram_sampling` for what was corrected.
"""

from __future__ import annotations

from torch import Tensor

from ..samplers.sinogram import Stage
from .families.sinograms import PUBLISHED, SinogramParameters, every_row, reconstruct
from .registry import Method, Problem, register


def stages(views: int, stride: int, wanted: int) -> list[Stage]:
    """The full-view model."""
    return [every_row()]


def run(problem: Problem, parameters: SinogramParameters) -> Tensor:
    """GMSD in 1/mm; see `sinogram_sampling.reconstruct`."""
    return reconstruct(problem, parameters, stages)


GMSD = register(
    Method(
        name="gmsd",
        title="GMSD",
        summary="A score model of full-view sinograms fills in the views between the measured ones.",
        source="Guan et al. 2024, Generative modeling in sinogram domain, IEEE TRPMS",
        parameters=SinogramParameters,
        run=run,
        needs_prior=True,
        prior_kind="sinogram",
        default_prior="sinogram-360",
        # The first 750 of 2000 levels, scaled as MSDiff's last 1450 from 0.2 on and cut at the prior's highest.
        presets={"published": {**PUBLISHED, "steps": 750, "sigma_start": 1.0, "sigma_end": 0.07}},
        evaluations=1.0,
    )
)
