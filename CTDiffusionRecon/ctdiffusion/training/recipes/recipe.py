"""What a recipe states: data, network, task and training settings of one prior."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..loop import LoopSettings
from ..task import Task
from ..triplet_task import TripletTask


@dataclass(frozen=True)
class Recipe:
    """Everything that defines a prior besides the images and whose they are (see `biography`).

    Attributes:
        name: the recipe's and the pack's name.
        network: class and arguments of the raw network, as `prior.json` keeps them.
        modality: CT or MR.
        window: interval that maps to [0, 1]; see `PriorInfo.window`.
        spacings: pixel sizes in mm to train on.
        crop: side of the square training crops in pixels.
        held_out: share of slices, in whole patients, that never enters training.
        settings: the loop's settings.
        sigma_data, mean: statistics of the training images in that range, for the EDM preconditioning.
        task: the kind of prior.
    """

    name: str
    network: dict[str, Any]
    modality: str
    window: tuple[float, float]
    spacings: tuple[float, float]
    crop: int
    held_out: float
    settings: LoopSettings
    sigma_data: float = 0.3
    mean: float = 0.25
    task: Task = field(default_factory=TripletTask)
