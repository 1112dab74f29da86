"""CvG-Diff: cold diffusion over view counts (Chen et al. 2025, MICCAI, arXiv:2508.10313).

The image of the measured views is the state at one level of a degradation D_t(x) = FBP_t(A_t x); a network restores it
and the state moves to a level of more views by x - D_t(x0) + D_s(x0). Corrected against the released code:

* sampling is bounded: it never asks for a level below 0, and every slice is sampled on its own;
* D_t is one projection and one FBP; the released one goes through the FBP of all 720 views, twice a step;
* any view count starts: the first level is the measurement's own scan, and the network is told its view count (networks
  that know only whole levels get the nearest one);
* D is computed for the measurement's own geometry, fan or parallel;
* conjugate gradients bring the result back to the data, which nothing in the paper does at level 0 (`final_cg` 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.schema import parameter
from .families.agreement import AgreementParameters, agreed
from .registry import Method, register
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor

    from ..operators.base import LinearOperator
    from .problem import Problem

# A level needs so many times the views of the one before it to be worth a step.
LEAST_RATIO = 1.05
# HU interval in which the sampler compares two estimates (width 3000, centre 500).
VISIBLE = (-1000.0, 2000.0)


@dataclass(frozen=True)
class CvGParameters(AgreementParameters):
    """Parameters of CvG-Diff."""

    final_cg: int = parameter(
        10, "Conjugate-gradient steps towards the data after the network; 0 leaves its image as it is.", low=0, high=200
    )
    sampling: str = parameter(
        "dual-phase",
        "How the levels are visited: SPDPS, which starts again until the anatomy has settled (dual-phase), or once "
        "from the measured view count up (sequential).",
        choices=("dual-phase", "sequential"),
    )
    budget: int | None = parameter(
        None, "Units of SPDPS's first phase; automatic: 2 below 54 views per full turn, else 1.", low=1, high=10
    )
    refine: int = parameter(4, "Levels of SPDPS's second phase.", low=1, high=20)
    threshold: float = parameter(
        0.97, "SSIM between two estimates from which the anatomy counts as settled.", low=0.0, high=1.0
    )
    start_level: str = parameter(
        "continuous",
        "What the network is told of the measurement: its own view count, or the nearest that it was trained on.",
        choices=("continuous", "nearest"),
    )


def run(problem: Problem, parameters: CvGParameters) -> Tensor:
    """CvG-Diff in 1/mm, for parallel and fan beams.

    Raises:
        ValueError: no prior, or one for another scan.
    """
    from ..samplers.cold import dual_phase, sequential
    from .families.restoring import Restoration

    restoration = Restoration.of(problem)
    prior, own = restoration.prior, restoration.views
    views = [v for v in prior.levels if v > LEAST_RATIO * own] + [own]
    positions = [prior.position(v, parameters.start_level == "nearest") for v in views]
    scanners: dict[int, LinearOperator] = {}

    def restore(x: Tensor, t: int) -> Tensor:
        return restoration.restore(x, positions[t])

    def degrade(x: Tensor, t: int) -> Tensor:
        if t not in scanners:
            scanners[t] = restoration.scanner(views[t])
        return restoration.degrade(x, scanners[t])

    def visible(x: Tensor) -> Tensor:
        hu = prior.info.hu_window.denormalise(x)
        return ((hu - VISIBLE[0]) / (VISIBLE[1] - VISIBLE[0])).clamp(0.0, 1.0)

    x, start = restoration.start(), len(views) - 1
    if parameters.sampling == "sequential":
        x0 = sequential(x, start, restore, degrade, problem.monitor, restoration.to_mu)
    else:
        x0 = dual_phase(
            x,
            start,
            parameters.budget or (2 if own < 54 else 1),
            parameters.refine,
            parameters.threshold,
            restore,
            degrade,
            visible,
            problem.monitor,
            restoration.to_mu,
        )
    return agreed(problem, restoration.to_mu(x0), parameters)


def work(parameters: CvGParameters) -> Work:
    """A restoration and two degradations a visit of a level; the first phase visits about six, the second `refine`."""
    visits = 4.0 if parameters.sampling == "sequential" else 6.0 * (parameters.budget or 1) + parameters.refine
    return Work(visits + parameters.final_cg + 1.5, visits)


CVG = register(
    Method(
        name="cvg",
        title="CvG-Diff",
        summary="Cold diffusion over view counts: a network restores the sparse scan, step by step to denser ones.",
        source="Chen, Lin, Qin, Wang & Li 2025 (MICCAI), arXiv:2508.10313",
        parameters=CvGParameters,
        run=run,
        work=work,
        beams=("parallel", "fan"),
        needs_prior=True,
        prior_kind="restoration",
        default_prior="cvg-256",
        presets={
            "published": {"start_level": "nearest", "final_cg": 0, "refine": 4, "threshold": 0.97},
            "sequential": {"sampling": "sequential"},
            "fast": {"budget": 1, "refine": 2},
        },
    )
)
