"""FBPConvNet: one pass of a convolutional network over the FBP image (Jin et al. 2017, doi:10.1109/TIP.2017.2713099).

One network for 10 to 288 views, which is told the count, where the paper trains one for each; its U-Net is this
project's. Optionally conjugate gradients bring the image back to the data, which the paper does not do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .families.agreement import AgreementParameters, agreed
from .registry import Method, register
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor

    from .problem import Problem


def run(problem: Problem, parameters: AgreementParameters) -> Tensor:
    """FBPConvNet in 1/mm.

    Raises:
        ValueError: no prior, or one for another scan.
    """
    from .families.restoring import Restoration

    restoration = Restoration.of(problem)
    x = restoration.start()
    x0 = restoration.restore(x, restoration.prior.position(restoration.views))
    mu = restoration.to_mu(x0)
    problem.monitor.step("network", 1, 1, mu)
    return agreed(problem, mu, parameters)


FBPCONVNET = register(
    Method(
        name="fbpconvnet",
        title="FBPConvNet",
        summary="A convolutional network removes the streaks of FBP in one step.",
        source="Jin, McCann, Froustey & Unser 2017, doi:10.1109/TIP.2017.2713099",
        parameters=AgreementParameters,
        run=run,
        work=lambda parameters: Work(parameters.final_cg + 1.5, 1.0),
        beams=("parallel", "fan"),
        needs_prior=True,
        prior_kind="restoration",
        default_prior="fbpconvnet-256",
        presets={"consistent": {"final_cg": 10}},
    )
)
