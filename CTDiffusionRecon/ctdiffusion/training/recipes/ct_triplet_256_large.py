"""The same prior at 21.5 M parameters for GPUs: wider, deeper, more steps; the rest is the small recipe's."""

from __future__ import annotations

from dataclasses import replace

from ..loop import LoopSettings
from .ct_triplet_256 import RECIPE as SMALL

RECIPE = replace(
    SMALL,
    name="ct-triplet-256-large",
    network={"class": "TripletUNet", "widths": [96, 192, 320, 448], "blocks": [2, 2, 2, 2], "condition": 256},
    settings=LoopSettings(steps=40_000, batch=64, learning_rate=5e-4, warmup=1000, ema_decay=0.9995, workers=12),
)
