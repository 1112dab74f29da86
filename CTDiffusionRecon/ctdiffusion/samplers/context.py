"""What a step of a sampler sees: the prior, the data, fresh noise and its noise level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.monitor import Monitor
    from .noise_policy import NoisePolicy

# (x, sigma, number of the level) -> D(x, sigma).
Denoise = Callable[["Tensor", float, int], "Tensor"]
# (x, g, sigma) -> (dD(x, sigma) / dx)' g.
PullBack = Callable[["Tensor", "Tensor", float], "Tensor"]


@dataclass(frozen=True)
class Level:
    """One noise level of a sampler, in the prior's range.

    Attributes:
        index: 0 for the first.
        sigma: the level of the state x = clean image + sigma n.
        after: the next level; 0 behind the last.
        before: the level before; None at the first.
    """

    index: int
    sigma: float
    after: float
    before: float | None


@dataclass(frozen=True)
class DataTerm:
    """How the measurement acts on an estimate, in the prior's range.

    Attributes:
        agree: (x0, sigma) -> the estimate after data consistency.
        gradient: x0 -> gradient of the misfit f = 1/2 |A x0 - y|^2 in units of its largest curvature: a step down of
            twice this gradient begins to overshoot. None where no step asks for it.
        memory: what it keeps from one level to the next; a step may keep its own there. Saved with the state.
    """

    agree: Callable[[Tensor, float], Tensor]
    gradient: Callable[[Tensor], Tensor] | None = None
    memory: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """The parts that a step puts together. Images are `[slice, row, column]` in the prior's range.

    Attributes:
        prior: the prior as it is laid over the slices (`slice_policy`).
        data: the data term.
        fresh: the noise policy.
        monitor: accounts for time.
        transposed: of the prior's derivative, for steps that go through it; None where no step does.
    """

    prior: Denoise
    data: DataTerm
    fresh: NoisePolicy
    monitor: Monitor
    transposed: PullBack | None = None

    @property
    def memory(self) -> dict[str, Tensor]:
        """What lasts from one level to the next besides x, by name."""
        return self.data.memory

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """x0 = D(x, sigma), the prior's estimate of the clean image (Tweedie)."""
        with self.monitor.timed("network"):
            return self.prior(x, level.sigma, level.index)

    def agree(self, x0: Tensor, level: Level) -> Tensor:
        """The estimate after data consistency: conjugate gradients, a null-space projection, an ADMM step."""
        with self.monitor.timed("projector"):
            return self.data.agree(x0, level.sigma)

    def misfit_gradient(self, x0: Tensor) -> Tensor:
        """See `DataTerm.gradient`."""
        assert self.data.gradient is not None
        with self.monitor.timed("projector"):
            return self.data.gradient(x0)

    def pull_back(self, x: Tensor, g: Tensor, level: Level) -> Tensor:
        """(dD(x, sigma) / dx)' g: a gradient with respect to x0 = D(x, sigma) as one with respect to x."""
        assert self.transposed is not None
        with self.monitor.timed("network"):
            return self.transposed(x, g, level.sigma)

    def noise(self, x: Tensor, level: Level) -> Tensor:
        """Standard normal noise of the shape of x for the next level; zero behind the last, where none is added."""
        if level.after == 0.0:
            return x.new_zeros(x.shape)
        return self.fresh.normal(level.index + 1, (x.shape[0], x.shape[1], x.shape[2]), x.device)


# (context, x at this level, level) -> (x at the next level, estimate x0 of the clean image).
Step = Callable[[Context, "Tensor", Level], "tuple[Tensor, Tensor]"]


def levels(sigmas: Sequence[float]) -> Iterator[Level]:
    """The levels of a falling sequence of noise levels."""
    for index, sigma in enumerate(sigmas):
        after = sigmas[index + 1] if index + 1 < len(sigmas) else 0.0
        yield Level(index, sigma, after, sigmas[index - 1] if index else None)
