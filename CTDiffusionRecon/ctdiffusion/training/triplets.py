"""Training examples: randomly zoomed crops of three-slice stacks, a function of (seed, index) alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from ..priors.denoiser import ADJACENT, SAME_SLICE, STRIDE_THREE
from .appearance import varied
from .cache import CachedVolume
from .grain import grain

Example = dict[str, Tensor]

# Slice-spacing labels with their share of the examples.
LABELS = {SAME_SLICE: 0.6, ADJACENT: 0.25, STRIDE_THREE: 0.15}


class TripletCrops(Dataset[Example]):
    """Crops `[3, crop, crop]` in the prior's range [0, 1], with their slice-spacing label and pixel size.

    The pixel size is drawn log-uniformly from `spacings`, within what the volume supports: enlarging by more than
    1.25 would teach the prior interpolation blur, shrinking is limited by the crop still fitting into the slice.

    With `scanners` the crops (of CT, in HU) vary as other scanners would have made them, and `grain` is the noise that
    `stack` carries itself, in the prior's range.
    """

    def __init__(
        self,
        volumes: Sequence[tuple[CachedVolume, NDArray[np.int16]]],
        window: tuple[float, float],
        crop: int,
        length: int,
        seed: int,
        spacings: tuple[float, float] = (0.6, 3.0),
        augment: Callable[[Tensor, int], Tensor] | None = None,
        scanners: bool = False,
    ) -> None:
        self.volumes = volumes
        self.window = window
        self.crop = crop
        self.length = length
        self.seed = seed
        self.spacings = spacings
        self.augment = augment
        self.scanners = scanners
        # Thin-slice volumes have many nearly equal slices: the square root keeps them from crowding out the others.
        # A stack of unrelated slices has more to tell.
        weights = np.array([entry.slices ** (0.5 if entry.contiguous else 0.75) for entry, _ in volumes])
        self.weights = weights / weights.sum()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        random = np.random.default_rng([self.seed, index])
        entry, array = self.volumes[int(random.choice(len(self.volumes), p=self.weights))]
        label = int(random.choice(list(LABELS), p=list(LABELS.values())))
        if not entry.contiguous or entry.slices <= 2 * label:
            label = SAME_SLICE
        start = int(random.integers(entry.slices - 2 * label))
        step = label if random.random() < 0.5 else -label
        chosen = [start + label + step * offset for offset in (-1, 0, 1)]

        coarsest = min(entry.rows, entry.columns) / self.crop
        lowest = max(self.spacings[0] / entry.spacing, 0.8)
        highest = max(lowest, min(self.spacings[1] / entry.spacing, coarsest))
        zoom = math.exp(random.uniform(math.log(lowest), math.log(highest)))
        side = max(8, min(round(self.crop * zoom), entry.rows, entry.columns))
        row = int(random.integers(entry.rows - side + 1))
        column = int(random.integers(entry.columns - side + 1))
        patch = np.stack([array[k, row : row + side, column : column + side] for k in chosen]).astype(np.float32)
        if random.random() < 0.5:
            patch = patch[:, :, ::-1]
        if random.random() < 0.25:
            patch = patch[:, ::-1, :]
        stack = torch.from_numpy(np.ascontiguousarray(patch))[None]
        if side != self.crop:
            stack = functional.interpolate(
                stack, size=(self.crop, self.crop), mode="bilinear", align_corners=False, antialias=True
            )
        if self.augment is not None:
            stack = self.augment(stack[0], int(random.integers(2**31)))[None]
        example = {
            "label": torch.tensor(label),
            "log_spacing": torch.tensor(math.log(entry.spacing * side / self.crop), dtype=torch.float32),
        }
        if not self.scanners:
            return {"stack": self._normalised(stack[0]), **example}
        other = varied(stack[0], random)
        low, high = self.window
        own = torch.tensor(grain(other[1]) / (high - low), dtype=torch.float32)
        return {"stack": self._normalised(other), "grain": own, **example}

    def _normalised(self, hu: Tensor) -> Tensor:
        low, high = self.window
        return ((hu - low) / (high - low)).clamp(0.0, 1.0)
