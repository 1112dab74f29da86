"""Training of cold-restoration networks: crops of degraded slices, the restoration loss and CvG-Diff's EPCT.

FBPConvNet (Jin et al. 2017, doi:10.1109/TIP.2017.2713099) is the restoration step alone; error-propagating composite
training (EPCT; Chen et al. 2025, arXiv:2508.10313) adds a second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import Dataset

from ..core.units import HUWindow
from ..operators.base import LinearOperator
from ..operators.factory import make_operator
from .degradations import BEAMS, PARTS, Degradations, degraded_hu, scan_of, slice_grid
from .loop import Batch

Generator = torch.Generator


class DegradedCrops(Dataset[Batch]):
    """Crops of a degraded slice, of its clean one and the level, a function of (seed, index) alone.

    Full-turn scans keep their streaks under flips, so both images are flipped at random.
    """

    def __init__(self, store: Degradations, window: HUWindow, views: tuple[int, ...], crop: int, seed: int) -> None:
        if missing := [v for v in views if v not in store.views]:
            raise ValueError(f"data: the degradations hold no scans of {', '.join(map(str, missing))} views")
        self.store, self.window, self.crop, self.seed = store, window, crop, seed
        self.rows = [store.views.index(v) for v in views]

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> Batch:
        random = np.random.default_rng([self.seed, index])
        level = int(random.integers(len(self.rows)))
        where = int(random.choice(len(self.store.weight), p=self.store.weight))
        size, crop = self.store.clean.shape[1], self.crop
        row, column = (int(v) for v in random.integers(size - crop + 1, size=2))
        part = (slice(row, row + crop), slice(column, column + crop))
        degraded = self.store.degraded[self.rows[level], where][part].astype(np.float32) / PARTS
        clean = self.store.clean[where][part].astype(np.float32)
        flips = tuple(axis for axis in (0, 1) if random.random() < 0.5)
        return {
            "degraded": self.window.normalise(torch.from_numpy(np.flip(degraded, flips).copy()))[None],
            "clean": self.window.normalise(torch.from_numpy(np.flip(clean, flips).copy())).clamp(min=0.0)[None],
            "level": torch.tensor(level),
        }


def restoration_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error of R(x_t, t) against the clean image.

    Levels are not weighted, as published: with the inverse of their streaks' strength as weights, the levels of many
    views spent the network's capacity on their photon noise.
    """
    estimate: Tensor = network(batch["degraded"].contiguous(memory_format=torch.channels_last), batch["level"])
    return (estimate.float() - batch["clean"]).square().mean()


@dataclass(frozen=True)
class CompositeStep:
    """EPCT's second loss, on whole slices because a degradation is not local.

    x0e = R_ema(x_t, t) without gradient; for t > 0 a level s < t is drawn and the network restores
    x_s = x_t - D_t(x0e) + D_s(x0e), for t = 0 x0e itself. So it learns to remove what its own averaged copy left over.
    Corrected against the released code: D is FBP(A x) without a detour over the 720-view FBP, and dropout is off.

    Attributes:
        store: the degraded slices.
        window: the prior's HU window.
        views: views per full turn of the levels, falling.
        operators: projectors by (beam, level), on a grid of the store's size with pixels of 1 mm.
        images: slices a step.
        crop: the loss is taken on a crop of this size of each restored slice, 0 for the whole.
    """

    store: Degradations
    window: HUWindow
    views: tuple[int, ...]
    operators: Mapping[tuple[int, int], LinearOperator]
    images: int
    crop: int

    @staticmethod
    def of(store: Degradations, window: HUWindow, views: tuple[int, ...], images: int, crop: int) -> CompositeStep:
        """Build the projectors of the two beams whose streaks scale with the pixel.

        Raises:
            ValueError: a level that was scanned with neither of them.
        """
        for count in views:
            if not any(_weights(store, count, beam).any() for beam in (0, 1)):
                raise ValueError(f"data: no scan of {count} views with the reference or the parallel beam")
        grid = slice_grid(store.clean.shape[1], 1.0)
        scans = [(beam, level) for beam in (0, 1) for level in range(len(views))]
        operators = {(b, t): make_operator(scan_of(BEAMS[b], views[t], grid), grid) for b, t in scans}
        return CompositeStep(store, window, views, operators, images, crop)

    def __call__(
        self, model: nn.Module, network: nn.Module, average: Mapping[str, Tensor], generator: Generator
    ) -> Tensor:
        """The loss of one composite step.

        Args:
            model: what gradients run through: the network, or its wrapper for several processes.
            network: the network itself, whose names `average` has.
            average: the network's averaged state.
            generator: of the draws.
        """
        device = next(network.parameters()).device
        random = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator, device=device)))
        level = int(random.integers(len(self.views)))
        beam, chosen = self._slices(random, level, 0 if random.random() < 0.75 else 1)
        row = self.store.views.index(self.views[level])
        degraded = np.stack([self.store.degraded[row, k] for k in chosen]).astype(np.float32) / PARTS
        clean = np.stack([self.store.clean[k] for k in chosen]).astype(np.float32)
        x = self.window.normalise(torch.from_numpy(degraded)).to(device)
        target = self.window.normalise(torch.from_numpy(clean)).clamp(min=0.0).to(device)
        x, reached = self.composed(network, average, x, level, beam, random)
        if self.crop:
            a, b = (int(v) for v in random.integers(x.shape[-1] - self.crop + 1, size=2))
            part = (slice(None), slice(a, a + self.crop), slice(b, b + self.crop))
            x, target = x[part], target[part]
        levels = torch.full((len(chosen),), reached, device=device)
        batch = {"degraded": x[:, None], "clean": target[:, None], "level": levels}
        return restoration_loss(model, batch)

    def composed(
        self, network: nn.Module, average: Mapping[str, Tensor], x: Tensor, level: int, beam: int,
        random: np.random.Generator,
    ) -> tuple[Tensor, int]:  # fmt: skip
        """The next level's input with the error of the averaged network's estimate in it, and that level."""
        with torch.no_grad():
            levels = torch.full((x.shape[0],), level, device=x.device)
            # Strict: names that are not the network's would leave its own weights in without a word. Constants that
            # are no part of its state come from the network.
            state = {**dict(network.named_buffers()), **average}
            x0e: Tensor = functional_call(network, state, (x[:, None], levels), strict=True)[:, 0].float()
            if level == 0:
                return x0e, 0
            after = int(random.integers(level))
            hu = self.window.denormalise(x0e)
            change = degraded_hu(self.operators[beam, after], hu) - degraded_hu(self.operators[beam, level], hu)
            return x + change / (self.window.high - self.window.low), after

    def _slices(self, random: np.random.Generator, level: int, beam: int) -> tuple[int, NDArray[np.int64]]:
        """The beam and slices of the level scanned with it; the other beam where the level has no scan with this one.

        Each volume and level has one of the rarer beams, so that few volumes leave levels without the parallel one.
        """
        weight = _weights(self.store, self.views[level], beam)
        if not weight.any():
            beam = 1 - beam
            weight = _weights(self.store, self.views[level], beam)
        return beam, random.choice(len(weight), size=self.images, p=weight / weight.sum())


def _weights(store: Degradations, views: int, beam: int) -> NDArray[np.float64]:
    """How often to draw each slice among those whose scan of `views` was made with `beam`, not normalised."""
    weight: NDArray[np.float64] = np.where(store.beam[store.views.index(views)] == beam, store.weight, 0.0)
    return weight
