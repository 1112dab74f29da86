"""What a CT slice shows, as far as its numbers say: lung, much bone, or soft tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LUNG, BONE, SOFT = "lung", "head and bone", "soft tissue"
_SKIN, _DENSE = -300.0, 250.0
# Lung; air and the foam of couches are darker.
_LUNG = (-920.0, -500.0)
# Shares of the body's outline, found on slices of chests, heads, necks, abdomens and legs.
_LUNG_SHARE, _BONE_SHARE = 0.12, 0.12


def shown(hu: NDArray[np.floating]) -> str:
    """The class of a slice `[row, column]` in HU: by the lung within its outline, then by what is dense."""
    body = hu > _SKIN
    if not body.any():
        return SOFT
    forth = np.maximum.accumulate(body, axis=1)
    back = np.maximum.accumulate(body[:, ::-1], axis=1)[:, ::-1]
    down = np.maximum.accumulate(body, axis=0)
    up = np.maximum.accumulate(body[::-1], axis=0)[::-1]
    outline = forth & back & down & up
    inner = hu[outline]
    if float(((inner > _LUNG[0]) & (inner < _LUNG[1])).mean()) > _LUNG_SHARE:
        return LUNG
    return BONE if float((hu[body] > _DENSE).mean()) > _BONE_SHARE else SOFT
