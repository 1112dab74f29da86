"""What a kind of prior means to the training command: its examples, its losses, its metadata and its report card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..priors.prior import PriorInfo
from .biography import Biography
from .cache import CachedVolume
from .loop import Batch, LossFunction, SecondLoss

if TYPE_CHECKING:
    from .recipes.recipe import Recipe

Volumes = list[tuple[CachedVolume, NDArray[np.int16]]]
# Rows of pictures `[row, column]`, 0 to 1.
Rows = list[list[NDArray[np.float32]]]
Augment = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Lesson:
    """What the training loop needs; `second` is the loss of a second optimiser step, if there is one."""

    dataset: Dataset[Batch]
    loss: LossFunction
    second: SecondLoss | None = None


def same_network(recipe: Recipe, info: PriorInfo, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights as they are, where the networks are the same.

    Raises:
        ValueError: they are not.
    """
    if info.network != recipe.network:
        raise ValueError(f"init: the network of {info.name} is not that of recipe {recipe.name}")
    return dict(state)


class Task(Protocol):
    """One kind of prior."""

    def lesson(self, recipe: Recipe, volumes: Volumes, work: Path, seed: int, augment: Augment | None) -> Lesson:
        """The examples, made from `volumes` and kept below `work` where that takes long, and the losses.

        Raises:
            ValueError: volumes that cannot be used.
        """

    def info(self, recipe: Recipe, biography: Biography) -> PriorInfo:
        """The metadata of the pack, without its quality."""

    def initial(self, recipe: Recipe, info: PriorInfo, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights to start from, made of those of another pack.

        Raises:
            ValueError: its network cannot be used.
        """

    def card(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> dict[str, Any]:
        """Quality of the trained network on volumes it has not seen."""

    def score(self, recipe: Recipe, network: nn.Module, volumes: Volumes) -> float:
        """One number for the error on a few slices, to choose between states of a network; NaN if there is none."""

    def samples(self, recipe: Recipe, network: nn.Module, validation: Volumes) -> Rows:
        """Pictures of what the network does with volumes that it has not seen."""
