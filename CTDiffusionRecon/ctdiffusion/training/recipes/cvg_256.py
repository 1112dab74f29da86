"""CvG-Diff's restoration network for view counts from 18 to 288: small enough for CPUs, trained with EPCT.

Meant to start from a trained denoiser: `--init ct-triplet-256`.
"""

from __future__ import annotations

from ..loop import LoopSettings
from ..restoration_task import RestorationTask
from .recipe import Recipe

# The view counts of the paper, per full turn.
VIEWS = (288, 234, 180, 126, 72, 54, 36, 18)

RECIPE = Recipe(
    name="cvg-256",
    network={"class": "ColdUNet", "levels": list(VIEWS), "widths": [48, 96, 160, 224], "blocks": [1, 1, 1, 1]},
    modality="CT",
    window=(-1000.0, 1600.0),
    spacings=(1.1, 2.8),
    crop=144,
    held_out=0.0,
    settings=LoopSettings(steps=40_000, batch=8, learning_rate=8e-4, minutes=40.0, second_from=0.4),
    task=RestorationTask(VIEWS, composite=True),
)
