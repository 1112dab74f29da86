"""Averages of a network's weights over its training."""

from __future__ import annotations

import torch
from torch import nn


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
