"""FBPConvNet: the network of `cvg-256` trained to remove the streaks in one step, for 10 to 288 views per full turn."""

from __future__ import annotations

from dataclasses import replace

from ..loop import LoopSettings
from ..restoration_task import STORED_VIEWS, RestorationTask
from .cvg_256 import RECIPE as COLD

RECIPE = replace(
    COLD,
    name="fbpconvnet-256",
    network={**COLD.network, "levels": list(STORED_VIEWS)},
    settings=LoopSettings(steps=40_000, batch=8, learning_rate=8e-4, minutes=30.0),
    task=RestorationTask(STORED_VIEWS, composite=False),
)
