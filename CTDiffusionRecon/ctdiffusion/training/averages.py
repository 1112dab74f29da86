"""Averages of a network's weights over its training, of several lengths, of which the best is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

Judge = Callable[[Mapping[str, Tensor]], float]


class Averager:
    """Exponential moving average of a network's state with a warm-up, min(decay, (1 + n) / (10 + n))."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after `step` steps."""
        weight = 1.0 - min(self.decay, (1.0 + step) / (10.0 + step))
        for name, value in network.state_dict().items():
            self.state[name].lerp_(value, weight)


def best(averagers: Sequence[Averager], judge: Judge | None) -> tuple[Averager, str]:
    """The average with the smallest error, and what was found; the first where nobody can judge.

    How long an average should be depends on how long the training was, which nobody knows before its end (Karras et
    al. 2024, arXiv:2312.02696).
    """
    if judge is None or len(averagers) == 1:
        return averagers[0], ""
    errors = [judge(averager.state) for averager in averagers]
    if not all(math.isfinite(error) for error in errors):
        return averagers[0], ""
    chosen = averagers[errors.index(min(errors))]
    found = ", ".join(f"{a.decay:g}: {error:.5f}" for a, error in zip(averagers, errors, strict=True))
    return chosen, f"error of the averages by decay on patients held out: {found}; {chosen.decay:g} is taken"
