"""A cold-restoration prior as methods see it: clean slices from those of a sparse scan, batched and padded."""

from __future__ import annotations

import logging
import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..core.devices import out_of_memory
from .cold import ColdRestorer, load_restorer
from .prior import PriorInfo
from .winograd.layer import accelerate

_LOG = logging.getLogger(__name__)


class Restorer:
    """R(x, level) -> x0 on slices, with the pack's metadata.

    Attributes:
        levels: views per full turn of each level, falling.
    """

    def __init__(self, info: PriorInfo, network: ColdRestorer, device: torch.device | str = "cpu") -> None:
        self.info = info
        self.device = torch.device(device)
        self.batch = 8 if self.device.type == "cpu" else 32
        self.levels = network.levels
        # Networks that learnt a handful of level numbers know nothing between them.
        self.continuous = bool(getattr(network.network, "continuous", False))
        self._network = network.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        if self.device.type == "cpu":
            accelerate(self._network)
        self._multiple = network.pad_multiple()

    @staticmethod
    def load(folder: Path, device: torch.device | str = "cpu", info: PriorInfo | None = None) -> Restorer:
        """Load a cold-restoration pack, or refuse it; `info` is its metadata where they have been read before.

        Raises:
            ValueError: damaged, or a pack of another kind.
        """
        return Restorer(*load_restorer(folder, device, info), device)

    def position(self, views: float, nearest: bool = False) -> float:
        """The level of `views` per full turn: interpolated in log views where the network allows, else the nearest."""
        logs = [math.log(v) for v in self.levels]
        wanted = min(max(math.log(views), min(logs)), max(logs))
        if nearest or not self.continuous:
            return float(min(range(len(logs)), key=lambda k: abs(logs[k] - wanted)))
        for k, (a, b) in enumerate(pairwise(logs)):
            if b <= wanted <= a:
                return k + (a - wanted) / (a - b)
        return 0.0

    def restore(self, x: Tensor, level: float) -> Tensor:
        """Clean slices from those of a sparse scan.

        Args:
            x: slices `[slice, row, column]` in the prior's range; any size.
            level: of all slices, from `position`.

        Raises:
            FloatingPointError: the network returned values that are not finite.
        """
        out = torch.empty_like(x)
        start = 0
        while start < x.shape[0]:
            stop = min(start + self.batch, x.shape[0])
            try:
                out[start:stop] = self._evaluate(x[start:stop], level)
            except (MemoryError, RuntimeError) as error:
                if self.batch == 1 or not out_of_memory(error):
                    raise
                self.batch = max(1, self.batch // 2)
                _LOG.warning("out of memory: the prior now takes %d slices at a time", self.batch)
                continue
            start = stop
        if not bool(torch.isfinite(out).all()):
            raise FloatingPointError(f"prior {self.info.name} returned values that are not finite at level {level:g}")
        return out

    @torch.inference_mode()
    def _evaluate(self, x: Tensor, level: float) -> Tensor:
        count, rows, columns = x.shape
        padded = functional.pad(
            x.to(self.device)[:, None], (0, -columns % self._multiple, 0, -rows % self._multiple), mode="replicate"
        ).contiguous(memory_format=torch.channels_last)
        whole = float(level).is_integer()
        levels = torch.full((count,), level, dtype=torch.int64 if whole else torch.float32, device=self.device)
        estimate: Tensor = self._network(padded, levels)
        return estimate[:, 0, :rows, :columns].to(x.device)
