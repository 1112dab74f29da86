"""What a prior is tried on: a body with two inserts, its sinogram, and what a sparse scan makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..scan.beams import FanBeam, Grid, equispaced
from .prior import PriorInfo

# Centre (row, column) and half axes (row, column) in parts of half the image's side, attenuation in parts of water's.
_ELLIPSES = (
    (0.0, 0.0, 0.7, 0.85, 1.04),
    (-0.2, -0.3, 0.25, 0.2, 0.16),
    (0.1, 0.35, 0.35, 0.25, -0.74),
)
# Bone, which few views turn into streaks.
_BONES = (
    (0.45, 0.0, 0.1, 0.1, 0.7),
    (0.35, -0.45, 0.06, 0.1, 0.6),
    (0.3, 0.55, 0.06, 0.08, 0.6),
    (-0.5, 0.1, 0.05, 0.15, 0.5),
    (-0.35, -0.6, 0.08, 0.05, 0.6),
    (-0.3, 0.62, 0.08, 0.05, 0.6),
)
# A sinogram's largest line integral, in the prior's range, where its window says nothing of water.
_PEAK = 0.5
_FARTHEST = 1075.0


def image(info: PriorInfo, side: int) -> Tensor:
    """The body in the prior's range, within 0 to 1, `[row, column]`."""
    return _in_range(info, _water(side))


def sinogram(info: PriorInfo, side: int) -> Tensor:
    """The middle of the body's sinogram in the prior's range, `[view, column]`, edges two columns wide."""
    views = int(info.scan.get("full_views", 360))
    columns = int(info.scan.get("columns", max(info.crop, 2 * side)))
    angles = torch.arange(side)[:, None] * (2.0 * math.pi / views)
    place = (torch.arange(side)[None, :] - (side - 1) / 2.0) * (2.0 / columns)
    total = torch.zeros(side, side)
    for row, column, height, width, density in _ELLIPSES:
        along = column * angles.cos() + row * angles.sin()
        radius = ((width * angles.cos()).square() + (height * angles.sin()).square()).sqrt()
        chord = (1.0 - ((place - along) / radius).square()).clamp(min=0.0).sqrt()
        total += density * 2.0 * width * height / radius * chord
    return total * (_PEAK / float(total.max()))


def sparse_scan(info: PriorInfo, side: int, views: int) -> tuple[Tensor, Tensor]:
    """The body with bones, and the filtered back-projection of so many views, in the prior's range, `[row, column]`."""
    # Only a trial needs projectors, and they take a while to load.
    from ..core.units import AttenuationScale
    from ..operators.factory import make_operator

    pixel = sum(info.spacing_range) / 2.0
    distance = min(float(info.scan.get("source_to_isocentre_px", (_FARTHEST,))[-1]), _FARTHEST) * pixel
    grid = Grid((1, side, side), (pixel, pixel, pixel))
    geometry = FanBeam(equispaced(views), distance, 2.0 * distance, 2 * side, 2.0 * pixel)
    operator = make_operator(geometry, grid)
    water = _water(side, (*_ELLIPSES, *_BONES))
    scale = AttenuationScale()
    mu = (water * scale.mu_water)[None]
    seen = operator.fbp(operator.forward(mu))[0] / scale.mu_water
    return _in_range(info, water), _in_range(info, seen, clip=False)


def _water(side: int, ellipses: Sequence[tuple[float, ...]] = _ELLIPSES) -> Tensor:
    """The body's attenuation in parts of water's, edges two pixels wide."""
    axis = torch.linspace(-1.0, 1.0, side)
    rows, columns = axis[:, None], axis[None, :]
    total = torch.zeros(side, side)
    for row, column, height, width, density in ellipses:
        radius = (((rows - row) / height).square() + ((columns - column) / width).square()).sqrt()
        total += density * torch.sigmoid((1.0 - radius) * side * min(height, width) / 2.0)
    return total


def _in_range(info: PriorInfo, water: Tensor, clip: bool = True) -> Tensor:
    """Attenuation in parts of water's as the prior sees it; MR images show it as they show intensities."""
    values = info.hu_window.normalise(1000.0 * water - 1000.0) if info.modality == "CT" else 0.4 * water
    return values.clamp(0.0, 1.0) if clip else values
