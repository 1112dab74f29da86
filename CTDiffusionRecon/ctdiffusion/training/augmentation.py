"""Optional anatomical augmentation of training stacks with MONAI: small rotations and shears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def anatomical(degrees: float = 8.0, shear: float = 0.05) -> Callable[[Tensor, int], Tensor]:
    """A function (stack `[3, row, column]`, seed) -> stack that turns and shears half of all stacks."""
    from monai.transforms import RandAffine  # type: ignore[attr-defined]

    transform: Any = RandAffine(
        prob=0.5,
        rotate_range=degrees * torch.pi / 180.0,
        shear_range=(shear, shear),
        mode="bilinear",
        padding_mode="border",
    )

    def augment(stack: Tensor, seed: int) -> Tensor:
        transform.set_random_state(seed=seed)
        return torch.as_tensor(transform(stack)).as_subclass(Tensor)

    return augment
