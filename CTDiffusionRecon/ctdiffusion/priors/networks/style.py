"""What the names and shapes of an NCSN++'s tensors do not tell: activation, scaled sums, filter of the resampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor
from torch.nn import functional

from ..choices import ACTIVATIONS
from . import fir

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "swish": functional.silu,
    "elu": functional.elu,
    "relu": functional.relu,
    "lrelu": partial(functional.leaky_relu, negative_slope=0.2),
}


@dataclass(frozen=True)
class Style:
    """How the layers of an NCSN++ compute.

    Attributes:
        activation: name of the non-linearity.
        skip_rescale: whether a sum of a path and its residual is divided by sqrt(2).
        resample_filter: taps of the resampling filter; none for averages and repeated pixels.

    Raises:
        ValueError: an unknown activation, or taps that are no filter.
    """

    activation: str = "swish"
    skip_rescale: bool = True
    resample_filter: tuple[float, ...] = fir.BINOMIAL

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation!r}")
        if self.resample_filter:
            fir.check_taps(self.resample_filter)

    @property
    def taps(self) -> tuple[float, ...]:
        """Taps of the resampling filter; averages and repeated pixels are the filter [1, 1]."""
        return self.resample_filter or fir.BOX

    def act(self, x: Tensor) -> Tensor:
        """The non-linearity."""
        return _FUNCTIONS[self.activation](x)

    def joined(self, x: Tensor, residual: Tensor) -> Tensor:
        """The sum of a path and its residual."""
        return (x + residual) * math.sqrt(0.5) if self.skip_rescale else x + residual

    def resample(self, direction: str) -> Callable[[Tensor], Tensor] | None:
        """The resampling "up" or "down"; None for an empty direction."""
        return {"up": self.up, "down": self.down, "": None}[direction]

    def up(self, x: Tensor) -> Tensor:
        """Twice the size."""
        return fir.upsample(x, self.taps)

    def down(self, x: Tensor) -> Tensor:
        """Half the size."""
        return fir.downsample(x, self.taps)


def describe_taps(taps: Sequence[float]) -> str:
    """Taps for a person to read."""
    return " ".join(f"{tap:g}" for tap in taps) if taps else "none"
