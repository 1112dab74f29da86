"""What the methods with a restoration network share: its range, the scan's check, the degradations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from ...operators.base import LinearOperator
from ...operators.factory import make_operator
from ...priors.kind_names import RESTORATION
from ...priors.kinds import kind_of
from ...priors.restorer import Restorer
from ...priors.scan import check_scan
from ..problem import Problem


@dataclass(frozen=True)
class Restoration:
    """A restoration network on one measurement.

    Attributes:
        problem: the measurement.
        prior: the network.
        views: views per full turn of the measurement.
    """

    problem: Problem
    prior: Restorer
    views: int

    @staticmethod
    def of(problem: Problem) -> Restoration:
        """Check that the network fits the measurement.

        Raises:
            ValueError: no prior, one of another kind, or one for another scan; the text says what differs.
        """
        if problem.prior is None or kind_of(problem.prior.info) != RESTORATION:
            raise ValueError("prior: this method needs a restoration network for images of sparse scans")
        prior = cast(Restorer, problem.prior)
        turn, warnings = check_scan(prior.info, problem.projections.geometry, problem.grid)
        for text in warnings:
            problem.monitor.warn(text)
        return Restoration(problem, prior, turn)

    def start(self) -> Tensor:
        """FBP of the measurement in the prior's range."""
        with self.problem.monitor.timed("projector"):
            return self.to_prior(self.problem.operator.fbp(self.problem.projections.data))

    def to_mu(self, x: Tensor) -> Tensor:
        """Prior range to 1/mm."""
        return self.problem.projections.scale.to_mu(self.prior.info.hu_window.denormalise(x))

    def to_prior(self, mu: Tensor) -> Tensor:
        """1/mm to prior range."""
        return self.prior.info.hu_window.normalise(self.problem.projections.scale.to_hu(mu))

    def restore(self, x: Tensor, level: float) -> Tensor:
        """The network's estimate, timed."""
        with self.problem.monitor.timed("network"):
            return self.prior.restore(x, level)

    def degrade(self, x: Tensor, operator: LinearOperator) -> Tensor:
        """D(x) = FBP(A x) of images in the prior's range."""
        with self.problem.monitor.timed("projector"):
            return self.to_prior(operator.fbp(operator.forward(self.to_mu(x))))

    def scanner(self, views: int) -> LinearOperator:
        """The projector of the same scanner with another number of views per full turn, from the same first angle."""
        geometry = self.problem.projections.geometry
        if views == self.views:
            return self.problem.operator
        # Used a few times each: a stored matrix would cost more to build than it saves.
        device = self.problem.projections.data.device
        return make_operator(geometry.over_a_turn(views), self.problem.grid, device, memory_limit=0)
