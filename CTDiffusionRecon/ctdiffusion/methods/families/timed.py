"""An operator that accounts for its own time."""

from __future__ import annotations

from torch import Tensor

from ...core.monitor import Monitor
from ...operators.base import LinearOperator


class TimedOperator(LinearOperator):
    """Another operator, whose every product is charged to the monitor's part `projector`.

    Solvers know nothing of monitors; this lets their projector time be told apart, and a cancel be obeyed between
    any two products.
    """

    def __init__(self, operator: LinearOperator, monitor: Monitor) -> None:
        self.geometry, self.grid = operator.geometry, operator.grid
        self.matched, self.backend = operator.matched, operator.backend
        self._operator, self._monitor = operator, monitor

    def forward(self, x: Tensor) -> Tensor:
        with self._monitor.timed("projector"):
            return self._operator.forward(x)

    def adjoint(self, y: Tensor) -> Tensor:
        with self._monitor.timed("projector"):
            return self._operator.adjoint(y)

    def fbp(self, y: Tensor, window: str = "ram-lak") -> Tensor:
        with self._monitor.timed("projector"):
            return self._operator.fbp(y, window)
