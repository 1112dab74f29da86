"""GMSD, MSDiff, SWORD, SWARM and OSMM: score models of sinograms that fill in the views between the measured ones.

One engine (`families.sinograms`, which says what was corrected against the released codes), one prior with two models:
of all rows of a full turn (FDM), and of every sixth row (SDM). The systems differ in which of them acts at a level:

* **GMSD** (Guan et al. 2024): the full-view model. The released code keeps the mean of every predictor and corrector
  step and drops their noise (preset `published`); the default renews the noise at every level, which needs far fewer.
* **MSDiff** (Yang et al. 2024): SDM, then FDM. SDM sees every sixth row as a sinogram of its own; the released one sees
  the same rows between rows of zeros. The released first replacement acts on a tensor that is not used afterwards.
  Where all of its rows were measured (60 of 360 views), SDM is left out.
* **SWORD** (Xu et al. 2024): all wavelet bands of a sinogram, then the high ones again. The paper trains two models of
  Haar bands; here the second stage is FDM confined to the three high bands. Rows are replaced in the sinogram, where
  that is exact; the released code replaces rows of wavelet coefficients.
* **SWARM** (Zhou et al. 2025): a model of masked sinograms, then one of their high bands. Here SDM, FDM, and FDM
  confined to the high bands.
* **OSMM** (Yu et al. 2025): one model for every ordered subset of the views. Subsets of a turn differ by a rotation
  only, so SDM serves all here; then FDM.

SWORD, SWARM and OSMM are relatives of the published systems in the same engine, not the published networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .families.sinogram_parameters import PUBLISHED, SinogramParameters, work
from .registry import Method, register

if TYPE_CHECKING:
    from torch import Tensor

    from ..samplers.sinogram import Stage
    from .problem import Problem


@dataclass(frozen=True)
class System:
    """What sets one system apart.

    Attributes:
        title, summary, source: as in `Method`.
        sparse: whether SDM acts first, on the rows among which the measured ones are ("one"), or on all ordered
            subsets ("all"); empty where it does not.
        high: whether FDM acts once more, on the high wavelet bands alone.
        evaluations: of all rows at each level.
        published: preset `published`.
    """

    title: str
    summary: str
    source: str
    sparse: str = ""
    high: bool = False
    evaluations: float = 1.0
    published: dict[str, Any] | None = None


SYSTEMS = {
    "gmsd": System(
        "GMSD",
        "A score model of full-view sinograms fills in the views between the measured ones.",
        "Guan et al. 2024, Generative modeling in sinogram domain, IEEE TRPMS",
        # The first 750 of 2000 levels, scaled as MSDiff's last 1450 from 0.2 on and cut at the prior's highest.
        published={**PUBLISHED, "steps": 750, "sigma_start": 1.0, "sigma_end": 0.07},
    ),
    "msdiff": System(
        "MSDiff",
        "Two score models of sinograms, of every sixth view and of all views, fill in what was not measured.",
        "MSDiff 2024, arXiv:2405.05814",
        sparse="one",
        evaluations=1.2,
    ),
    "osmm": System(
        "OSMM",
        "Like MSDiff with the sparse-view model on all ordered subsets of the views.",
        "Yu et al. 2025, arXiv:2505.09985",
        sparse="all",
        evaluations=2.0,
    ),
    "swarm": System(
        "SWARM",
        "Sparse-view model, full-view model and its high wavelet bands in turn.",
        "Zhou et al. 2025, arXiv:2501.09935",
        sparse="one",
        high=True,
        evaluations=2.2,
    ),
    "sword": System(
        "SWORD",
        "The score model of full-view sinograms acts on all wavelet bands, then on the high ones again.",
        "Xu et al. 2024, Stage-by-stage wavelet optimization refinement, IEEE TMI",
        high=True,
        evaluations=2.0,
    ),
}


def stages(system: System, views: int, stride: int, wanted: int) -> list[Stage]:
    """What acts at each level.

    Args:
        system: which of them.
        views: rows of the full turn.
        stride: rows of the turn from one measured row to the next.
        wanted: stride of the rows that the prior's sparse-view model was trained on.
    """
    from .families.sinograms import every_row, subset

    acting = []
    if system.sparse:
        acting.append(subset(views, stride, wanted, all_offsets=system.sparse == "all"))
    acting.append(every_row())
    if system.high:
        acting.append(every_row(high=True))
    return acting


def _run(system: System) -> Callable[[Problem, SinogramParameters], Tensor]:
    def run(problem: Problem, parameters: SinogramParameters) -> Tensor:
        from .families.sinograms import reconstruct

        return reconstruct(problem, parameters, lambda *turn: stages(system, *turn))

    return run


def _work(system: System) -> Callable[[SinogramParameters], Any]:
    return lambda parameters: work(parameters, system.evaluations)


for name, system in SYSTEMS.items():
    register(
        Method(
            name=name,
            title=system.title,
            summary=system.summary,
            source=system.source,
            parameters=SinogramParameters,
            run=_run(system),
            beams=("parallel", "fan"),
            needs_prior=True,
            prior_kind="sinogram",
            default_prior="sinogram-360",
            presets={"published": system.published or PUBLISHED},
            work=_work(system),
        )
    )
