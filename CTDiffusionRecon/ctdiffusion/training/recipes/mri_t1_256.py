"""The T1-weighted MR prior for z super-resolution: the CT prior's network on one volume in three planes."""

from __future__ import annotations

from ..loop import LoopSettings
from .recipe import Recipe

RECIPE = Recipe(
    name="mri-t1-256",
    network={"class": "TripletUNet", "widths": [48, 96, 160, 224], "blocks": [1, 1, 1, 1]},
    modality="MR",
    window=(0.0, 1000.0),
    sigma_data=0.3,
    mean=0.25,
    spacings=(0.8, 1.5),
    crop=128,
    held_out=0.0,
    settings=LoopSettings(steps=4_000, batch=16, learning_rate=7e-4, minutes=45.0),
)
