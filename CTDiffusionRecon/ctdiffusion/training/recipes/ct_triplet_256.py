"""The CT prior that ships: 2.9 M parameters, 4.4 GMAC per 256x256 evaluation, meant for CPUs."""

from __future__ import annotations

from ..loop import LoopSettings
from .recipe import Recipe

RECIPE = Recipe(
    name="ct-triplet-256",
    network={"class": "TripletUNet", "widths": [48, 96, 160, 224], "blocks": [1, 1, 1, 1]},
    modality="CT",
    window=(-1000.0, 1600.0),
    sigma_data=0.3,
    mean=0.25,
    spacings=(0.6, 3.0),
    crop=128,
    held_out=0.03,
    settings=LoopSettings(steps=20_000, batch=16, learning_rate=7e-4, minutes=105.0),
)
