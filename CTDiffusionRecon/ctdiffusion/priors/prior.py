"""A prior as samplers see it: x0 = D(x, sigma) on slices, batched, padded and guarded (contract C4)."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..units import HUWindow
from .denoiser import SAME_SLICE, EDMDenoiser

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PriorInfo:
    """What is known about a prior; the content of `prior.json`.

    Attributes:
        name: the pack's name.
        version: version of the weights.
        network: class and arguments of the raw network.
        sigma_data, mean: statistics of the EDM preconditioning, in the prior's range.
        hu_window: HU interval that maps to [0, 1].
        sigma_range: noise levels it was trained on, in the prior's range.
        spacing_range: pixel sizes in mm it was trained on.
        labels: slice-spacing labels it was trained on.
        crop: side in pixels of the training crops.
        body_parts: what the training data show.
        training_data: the data sets, with DOI and licence.
        licence: licence of the weights.
        attribution: what has to be said when they are passed on.
        quality: measured quality (the report card).
        weights_sha256: SHA-256 of `weights.safetensors`.
    """

    name: str
    version: str
    network: dict[str, Any]
    sigma_data: float
    mean: float
    hu_window: tuple[float, float]
    sigma_range: tuple[float, float]
    spacing_range: tuple[float, float]
    labels: tuple[int, ...]
    crop: int
    body_parts: tuple[str, ...]
    training_data: tuple[str, ...]
    licence: str
    attribution: str
    quality: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    @property
    def window(self) -> HUWindow:
        return HUWindow(*self.hu_window)


class Prior:
    """An image-domain Gaussian denoiser with its metadata."""

    def __init__(self, info: PriorInfo, denoiser: EDMDenoiser, device: torch.device | str = "cpu") -> None:
        self.info = info
        self.device = torch.device(device)
        self.batch = 8 if self.device.type == "cpu" else 32
        # bfloat16 on CUDA; given up for float32 at the first value that is not finite.
        self.reduced_precision = self.device.type == "cuda"
        self._denoiser = denoiser.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._multiple = denoiser.pad_multiple()

    def gate(self, spacing: float) -> list[str]:
        """Warnings about using this prior at a pixel size in mm it was not trained for."""
        low, high = self.info.spacing_range
        if low * 0.98 <= spacing <= high * 1.02:
            return []
        return [
            f"prior {self.info.name} was trained on pixels of {low:g} to {high:g} mm, "
            f"these are {spacing:.3g} mm: it works outside of what it has learnt"
        ]

    def expected_error(self, sigma: float) -> float:
        """Root-mean-square error of D(x, sigma) measured on held-out data, interpolated in log sigma.

        This is the width of p(x0 | x) that data consistency weighs against the measurement.
        """
        card = self.info.quality.get("denoising_rmse")
        if not card:
            return sigma * self.info.sigma_data / math.hypot(sigma, self.info.sigma_data)
        points = sorted((math.log(float(s)), math.log(float(e))) for s, e in card.items())
        position = min(max(math.log(sigma), points[0][0]), points[-1][0])
        for (a, value_a), (b, value_b) in pairwise(points):
            if position <= b:
                return math.exp(value_a + (value_b - value_a) * (position - a) / (b - a))
        return math.exp(points[-1][1])

    def predict_x0(self, x: Tensor, sigma: float, spacing: float) -> Tensor:
        """Clean slices from noisy ones, each slice on its own (label 0).

        Args:
            x: noisy slices `[slice, row, column]` in the prior's range; any size.
            sigma: noise standard deviation in the prior's range, clipped to what the prior was trained on.
            spacing: pixel size in mm, likewise.

        Raises:
            FloatingPointError: the network returned values that are not finite.
        """
        sigma = min(max(sigma, self.info.sigma_range[0]), self.info.sigma_range[1])
        spacing = min(max(spacing, self.info.spacing_range[0]), self.info.spacing_range[1])
        out = torch.empty_like(x)
        start = 0
        while start < x.shape[0]:
            stop = min(start + self.batch, x.shape[0])
            try:
                out[start:stop] = self._evaluate(x[start:stop], sigma, spacing)
            except (torch.OutOfMemoryError, MemoryError):
                if self.batch == 1:
                    raise
                self.batch = max(1, self.batch // 2)
                _LOG.warning("out of memory: the prior now takes %d slices at a time", self.batch)
                continue
            start = stop
        if not bool(torch.isfinite(out).all()):
            if self.reduced_precision:
                _LOG.warning("values that are not finite at sigma %g: the prior goes on in float32", sigma)
                self.reduced_precision = False
                return self.predict_x0(x, sigma, spacing)
            raise FloatingPointError(f"prior {self.info.name} returned values that are not finite at sigma {sigma:g}")
        return out

    @torch.inference_mode()
    def _evaluate(self, x: Tensor, sigma: float, spacing: float) -> Tensor:
        count, rows, columns = x.shape
        bottom, right = -rows % self._multiple, -columns % self._multiple
        stack = functional.pad(x[:, None].to(self.device), (0, right, 0, bottom), mode="replicate")
        stack = stack.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        level = torch.full((count,), sigma, device=self.device)
        label = torch.full((count,), SAME_SLICE, dtype=torch.int64, device=self.device)
        log_spacing = torch.full((count,), math.log(spacing), device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced_precision):
            estimate: Tensor = self._denoiser(stack, level, label, log_spacing)
        return estimate[:, :, :rows, :columns].float().mean(dim=1).to(x.device)
