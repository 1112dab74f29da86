"""A prior tried on a test image: does it compute at all, and does it remove noise?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..cold import load_restorer
from ..parametrisation import COLD
from ..prior import Prior, PriorInfo
from .pack import load_pack, read_info

# A denoiser that leaves more than this share of the noise in a smooth image has not been trained, or was misread.
LARGEST_SHARE = 0.7
_LEVELS = (0.05, 0.2, 0.8)
_SIDE = 64


@dataclass(frozen=True)
class Trial:
    """What a prior did to a test image.

    Attributes:
        info: the prior's metadata.
        remaining: share of the noise's standard deviation that is left, by noise level in the prior's range; empty
            where the prior does not denoise images.
    """

    info: PriorInfo
    remaining: dict[float, float]

    @property
    def denoises(self) -> bool:
        """Whether the noise fell at every level; true where it was not tried."""
        return all(share < LARGEST_SHARE for share in self.remaining.values())


def try_out(folder: Path) -> Trial:
    """Load a pack with every check and evaluate its network on a small image of ellipses.

    Raises:
        ValueError: damaged, or its values are not finite.
    """
    info = read_info(folder)
    if info.parametrisation.get("kind") == COLD:
        _restore(folder)
        return Trial(info, {})
    prior = load_pack(folder)
    levels = [level for level in _LEVELS if info.sigma_range[0] <= level <= info.sigma_range[1]]
    try:
        shares = {level: _share(prior, level) for level in levels or [info.sigma_range[1]]}
    except (FloatingPointError, RuntimeError) as error:
        raise ValueError(f"prior: {info.name}: its network fails on a test image: {error}") from None
    return Trial(info, shares if info.domain == "image" else {})


def _share(prior: Prior, level: float) -> float:
    clean = _ellipses(_side(prior.info.network)).expand(prior.info.channels, -1, -1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    spacing = sum(prior.info.spacing_range) / 2.0
    label = prior.info.labels[0]
    estimate = prior.predict_stacks((clean + level * noise)[None], label, level, spacing)[0]
    return float((estimate - clean).square().mean().sqrt()) / level


def _restore(folder: Path) -> None:
    info, restorer = load_restorer(folder)
    side = _side(info.network)
    image = _ellipses(side).expand(1, restorer.channels, side, side)
    with torch.inference_mode():
        for level in (0, len(restorer.levels) - 1):
            if not bool(torch.isfinite(restorer(image, torch.tensor([level]))).all()):
                raise ValueError(f"prior: {info.name} returned values that are not finite at level {level}")


def _side(network: dict[str, object]) -> int:
    depth = network.get("multipliers", ())
    return max(_SIDE, 2 ** len(depth)) if isinstance(depth, (list, tuple)) else _SIDE


def _ellipses(side: int) -> Tensor:
    """A body with two inserts, values within [0, 1], `[row, column]`."""
    axis = torch.linspace(-1.0, 1.0, side)
    rows, columns = axis[:, None], axis[None, :]

    def inside(row: float, column: float, height: float, width: float) -> Tensor:
        # Edges two pixels wide.
        radius = (((rows - row) / height).square() + ((columns - column) / width).square()).sqrt()
        return torch.sigmoid((1.0 - radius) * side * min(height, width) / 2.0)

    body = 0.4 * inside(0.0, 0.0, 0.7, 0.85)
    return body + 0.15 * inside(-0.2, -0.3, 0.25, 0.2) - 0.25 * inside(0.1, 0.35, 0.35, 0.25)
