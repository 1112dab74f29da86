"""Two or more networks behind one: the label of a batch says which of them answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ByLabel(nn.Module):
    """One network for each label 0, 1, ...; a batch has one label. Published systems such as MSDiff train them apart.

    Args:
        members: networks of equal channels, called like any other with (x, level, label, ...).

    Raises:
        ValueError: none, or networks of different channels.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        channels = {int(getattr(member, "channels", 1)) for member in members}
        if len(channels) != 1:
            raise ValueError(f"members: need networks of equal channels, got {sorted(channels)}")
        self.channels = channels.pop()
        self.multiple = math.lcm(*(int(getattr(member, "multiple", 1)) for member in members))
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor, level: Tensor, label: Tensor, *condition: Tensor) -> Tensor:
        """What the label's network answers; it is told label 0, the only one it knows.

        Args:
            x: noisy stacks `[batch, channels, row, column]`.
            level: as the members take it, `[batch]`.
            label: `[batch]`, all equal.
            condition: what the members take besides.
        """
        answer: Tensor = self.members[int(label[0])](x, level, torch.zeros_like(label), *condition)
        return answer
