"""The sinogram prior that ships: 360 views on a full turn, whole (FDM) and every sixth view (SDM), for CPUs."""

from __future__ import annotations

from ..loop import LoopSettings
from ..sinogram_task import SinogramTask
from .recipe import Recipe

RECIPE = Recipe(
    name="sinogram-360",
    network={"class": "TripletUNet", "widths": [32, 64, 128, 160], "blocks": [1, 1, 1, 1], "labels": 2, "slices": 1},
    modality="CT",
    # Line integrals; 10 is what remains of 100,000 photons behind 50 cm of water.
    window=(0.0, 10.0),
    spacings=(1.1, 2.8),
    crop=96,
    held_out=0.0,
    settings=LoopSettings(steps=40_000, batch=8, learning_rate=8e-4, minutes=40.0),
    sigma_data=0.23,
    mean=0.23,
    task=SinogramTask(views=360, columns=368, rows=96),
)
