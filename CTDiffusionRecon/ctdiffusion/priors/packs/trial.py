"""A prior tried on a test image: does it compute at all, and does it leave the image better than it was?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from .. import trialimages
from ..cold import load_restorer
from ..kind_names import COLD
from ..prior import Prior, PriorInfo
from .pack import load_pack, read_info

# A denoiser that leaves more than this share of the noise in a smooth image has not been trained, or was misread.
LARGEST_SHARE = 0.7
# One that leaves more than this has done nothing: the preconditioning alone takes a few per cent of the noise.
WORTHLESS_SHARE = 0.9
_LEVELS = (0.05, 0.2, 0.8)
_SIDE = 64
# More views leave streaks in larger images only.
_SPARSE = 24


@dataclass(frozen=True)
class Trial:
    """What a prior did to a test image or sinogram.

    Attributes:
        info: the prior's metadata.
        remaining: share of the disturbance's root-mean-square that is left: of noise by its level in the prior's range,
            of streaks by the number of views.
        what: the disturbance: noise or streaks.
    """

    info: PriorInfo
    remaining: Mapping[float, float]
    what: str = "noise"

    @property
    def denoises(self) -> bool:
        """Whether the disturbance fell well at every level."""
        return all(share < LARGEST_SHARE for share in self.remaining.values())

    @property
    def improves(self) -> bool:
        """Whether every test image was left noticeably better than it was."""
        return all(share < WORTHLESS_SHARE for share in self.remaining.values())

    @property
    def verdict(self) -> str:
        """What is said of a network that does not improve."""
        much = "no" if max(self.remaining.values()) >= 1.0 else "hardly"
        shown = "sinogram" if self.info.domain == "sinogram" else "image"
        return f"it leaves a test {shown} {much} better than it was"


def try_out(folder: Path) -> Trial:
    """Load a pack with every check and evaluate its network on small images or sinograms of ellipses.

    Raises:
        ValueError: damaged, or its values are not finite.
    """
    info = read_info(folder)
    if info.parametrisation.get("kind") == COLD:
        return Trial(info, _restore(folder), "streaks")
    prior = load_pack(folder)
    levels = [level for level in _LEVELS if info.sigma_range[0] <= level <= info.sigma_range[1]]
    try:
        shares = {level: _share(prior, level) for level in levels or [info.sigma_range[1]]}
    except (FloatingPointError, RuntimeError) as error:
        raise ValueError(f"prior: {info.name}: its network fails on a test image: {error}") from None
    return Trial(info, shares)


def _share(prior: Prior, level: float) -> float:
    """The largest share of the noise that any label leaves."""
    info = prior.info
    side = _side(info.network, _SIDE)
    plain = trialimages.sinogram(info, side) if info.domain == "sinogram" else trialimages.image(info, side)
    clean = plain.expand(info.channels, -1, -1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    spacing = sum(info.spacing_range) / 2.0 if info.domain == "image" else 1.0
    shares = []
    for label in info.labels:
        estimate = prior.predict_stacks((clean + level * noise)[None], label, level, spacing)[0]
        shares.append(float((estimate - clean).square().mean().sqrt()) / level)
    return max(shares)


def _restore(folder: Path) -> dict[float, float]:
    """Share of the error of the sparsest scan that is left, by its number of views.

    Milder levels say nothing: their error in a body without texture is less than a few HU.

    Raises:
        ValueError: damaged, or its values are not finite at the mildest or the sparsest level.
    """
    info, restorer = load_restorer(folder)
    last = len(restorer.levels) - 1
    views = restorer.levels[last]
    clean, seen = trialimages.sparse_scan(info, _side(info.network, 128 if views <= _SPARSE else 256), views)
    shown = seen.expand(1, restorer.channels, *seen.shape)
    for level in (0, last):
        try:
            with torch.inference_mode():
                estimate = restorer(shown, torch.tensor([level]))
        except RuntimeError as error:
            raise ValueError(f"prior: {info.name}: its network fails on a test image: {error}") from None
        if not bool(torch.isfinite(estimate).all()):
            raise ValueError(f"prior: {info.name} returned values that are not finite at level {level}")
    error_left = (estimate - clean).square().mean().sqrt()
    return {float(views): float(error_left / (seen - clean).square().mean().sqrt())}


def _side(network: Mapping[str, object], smallest: int) -> int:
    depth = network.get("multipliers", ())
    return max(smallest, 2 ** len(depth)) if isinstance(depth, (list, tuple)) else smallest
