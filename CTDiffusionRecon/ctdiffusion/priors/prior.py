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

from ..core.devices import out_of_memory
from ..core.units import HUWindow
from .denoiser import SAME_SLICE, Denoiser
from .winograd.layer import accelerate

_LOG = logging.getLogger(__name__)
# Pixels longer one way than the other by more than this are not what a prior was trained on.
_SQUARE = 1.25
# How many times fewer stacks go through the network at a time where it is differentiated.
BACKWARD = 4
# So many threads are kept busy by four slices at a time.
FEW_THREADS = 4


@dataclass(frozen=True)
class PriorInfo:
    """What is known about a prior; the content of `prior.json`.

    Attributes:
        name: the pack's name.
        version: version of the weights.
        modality: CT or MR.
        domain: what its slices are: image or sinogram.
        network: class and arguments of the raw network.
        parametrisation: how the raw network becomes a denoiser: its kind and arguments (see `parametrisation.py`).
        channels: slices that it takes at a time.
        window: interval that maps to [0, 1]: HU for CT images; for MR, whose intensities have no unit, per mille of
            the volume's robust maximum.
        sigma_range: noise levels it was trained on, in the prior's range.
        spacing_range: pixel sizes in mm it was trained on.
        labels: slice-spacing labels it was trained on.
        crop: side in pixels of the training crops.
        body_parts: what the training data show.
        training_data: the data sets, with DOI and licence.
        licence: licence of the weights.
        attribution: what has to be said when they are passed on.
        quality: measured quality (the report card).
        scan: the scans that a prior of one geometry was trained on (see `scan.py`); empty for any.
        origin: of an imported prior: file, layout, licence note and SHA-256 of what it was made from; else empty.
        weights_sha256: SHA-256 of `weights.safetensors`.
    """

    name: str
    version: str
    modality: str
    domain: str
    network: dict[str, Any]
    parametrisation: dict[str, Any]
    channels: int
    window: tuple[float, float]
    sigma_range: tuple[float, float]
    spacing_range: tuple[float, float]
    labels: tuple[int, ...]
    crop: int
    body_parts: tuple[str, ...]
    training_data: tuple[str, ...]
    licence: str
    attribution: str
    quality: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    scan: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    @property
    def hu_window(self) -> HUWindow:
        """The window as the map between HU and [0, 1]."""
        return HUWindow(*self.window)


def pixel_warnings(info: PriorInfo, row: float, column: float) -> list[str]:
    """Warnings about a prior on pixels, of a height and width in mm, that it was not trained for."""
    found = []
    if max(row, column) > _SQUARE * min(row, column):
        found.append(f"prior {info.name} knows square pixels, these are {row:.3g} x {column:.3g} mm")
    low, high = info.spacing_range
    spacing = math.sqrt(row * column)
    if not 0.98 * low <= spacing <= 1.02 * high:
        found.append(
            f"prior {info.name} was trained on pixels of {low:g} to {high:g} mm, these are {spacing:.3g} mm: "
            "it works outside of what it has learnt"
        )
    return found


class Prior:
    """A Gaussian denoiser of slices with its metadata."""

    def __init__(self, info: PriorInfo, denoiser: Denoiser, device: torch.device | str = "cpu") -> None:
        self.info = info
        self.device = torch.device(device)
        self.batch = 8 if self.device.type == "cpu" else 32
        # bfloat16 on CUDA; given up for float32 at the first value that is not finite.
        self.reduced_precision = self.device.type == "cuda"
        self._denoiser = denoiser.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        if self.device.type == "cpu" and accelerate(self._denoiser) and torch.get_num_threads() <= FEW_THREADS:
            self.batch = 4  # measured: larger ones leave the caches and gain nothing
        self._multiple = denoiser.pad_multiple()

    def gate(self, row: float, column: float) -> list[str]:
        """Warnings about using this prior on pixels, of a height and width in mm, it was not trained for."""
        return pixel_warnings(self.info, row, column)

    def expected_error(self, sigma: float) -> float:
        """Root-mean-square error of D(x, sigma) measured on held-out data, interpolated in log sigma.

        This is the width of p(x0 | x) that data consistency weighs against the measurement.
        """
        card = self.info.quality.get("denoising_rmse")
        if not card:
            # Without a report card: the posterior width for white data of the deviation that CT images have.
            deviation = float(self.info.parametrisation.get("sigma_data", 0.3))
            return sigma * deviation / math.hypot(sigma, deviation)
        points = sorted((math.log(float(s)), math.log(float(e))) for s, e in card.items())
        position = min(max(math.log(sigma), points[0][0]), points[-1][0])
        for (a, value_a), (b, value_b) in pairwise(points):
            if position <= b:
                return math.exp(value_a + (value_b - value_a) * (position - a) / (b - a))
        return math.exp(points[-1][1])

    def predict_x0(self, x: Tensor, sigma: float, spacing: float) -> Tensor:
        """Clean slices from noisy ones, each slice on its own.

        Args:
            x: noisy slices `[slice, row, column]` in the prior's range; any size.
            sigma: noise standard deviation in the prior's range, clipped to what the prior was trained on.
            spacing: pixel size in mm, likewise.

        Raises:
            FloatingPointError: the network returned values that are not finite.
        """
        if self.info.channels == 1:
            return self._in_batches(x[:, None], SAME_SLICE, sigma, spacing)[:, 0]
        return self._in_batches(x[:, None].expand(-1, self.info.channels, -1, -1), SAME_SLICE, sigma, spacing).mean(1)

    def predict_stacks(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
        """Clean stacks of slices from noisy ones, each stack denoised together.

        Args:
            x: noisy stacks `[stack, channels, row, column]` in the prior's range; any size.
            label: index step between the slices of a stack.
            sigma: noise standard deviation in the prior's range, clipped to what the prior was trained on.
            spacing: pixel size in mm, likewise; of a sinogram 1, its step as it is.

        Raises:
            ValueError: stacks or a label that this prior was not trained on.
            FloatingPointError: the network returned values that are not finite.
        """
        if x.shape[1] != self.info.channels or label not in self.info.labels:
            raise ValueError(
                f"prior: {self.info.name} takes {self.info.channels} slices with labels "
                f"{', '.join(map(str, self.info.labels))}, not {x.shape[1]} with label {label}"
            )
        return self._in_batches(x, label, sigma, spacing)

    def pull_back(self, x: Tensor, g: Tensor, sigma: float, spacing: float) -> Tensor:
        """(dD(x, sigma) / dx)' g: the gradient of <g, `predict_x0`(x)> with respect to x.

        A pass forward and one back through the network: costs about three evaluations,
        and the memory of one batch, whatever the number of slices.

        Args:
            x: noisy slices `[slice, row, column]` in the prior's range; any size.
            g: of the same shape.
            sigma, spacing: as in `predict_x0`.

        Raises:
            FloatingPointError: the network returned values that are not finite.
        """
        channels = self.info.channels
        # The slice's copies are moved together, and the estimate is the mean of what becomes of them.
        stacks = x[:, None].expand(-1, channels, -1, -1)
        return self._in_batches(stacks, SAME_SLICE, sigma, spacing, (g / channels)[:, None].expand_as(stacks)).sum(1)

    def _in_batches(self, x: Tensor, label: int, sigma: float, spacing: float, g: Tensor | None = None) -> Tensor:
        sigma = min(max(sigma, self.info.sigma_range[0]), self.info.sigma_range[1])
        if self.info.domain == "image":
            spacing = min(max(spacing, self.info.spacing_range[0]), self.info.spacing_range[1])
        out = torch.empty(x.shape, device=x.device)
        start = 0
        while start < x.shape[0]:
            # A pass back keeps what a pass forward may forget.
            batch = self.batch if g is None else max(1, self.batch // BACKWARD)
            stop = min(start + batch, x.shape[0])
            try:
                if g is None:
                    out[start:stop] = self._evaluate(x[start:stop], label, sigma, spacing)
                else:
                    out[start:stop] = self._pulled_back(x[start:stop], g[start:stop], label, sigma, spacing)
            except (MemoryError, RuntimeError) as error:
                if self.batch == 1 or not out_of_memory(error):
                    raise
                self.batch = max(1, self.batch // 2)
                _LOG.warning("out of memory: the prior now takes %d stacks at a time", self.batch)
                continue
            start = stop
        if not bool(torch.isfinite(out).all()):
            if self.reduced_precision:
                _LOG.warning("values that are not finite at sigma %g: the prior goes on in float32", sigma)
                self.reduced_precision = False
                return self._in_batches(x, label, sigma, spacing, g)
            raise FloatingPointError(f"prior {self.info.name} returned values that are not finite at sigma {sigma:g}")
        return out

    def _pulled_back(self, x: Tensor, g: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self._forward(x, label, sigma, spacing), x, g.clone())
        return gradient

    @torch.inference_mode()
    def _evaluate(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
        return self._forward(x, label, sigma, spacing)

    def _forward(self, x: Tensor, label: int, sigma: float, spacing: float) -> Tensor:
        count, _, rows, columns = x.shape
        bottom, right = -rows % self._multiple, -columns % self._multiple
        stack = functional.pad(x.to(self.device), (0, right, 0, bottom), mode="replicate")
        stack = stack.contiguous(memory_format=torch.channels_last)
        level = torch.full((count,), sigma, device=self.device)
        labels = torch.full((count,), label, dtype=torch.int64, device=self.device)
        log_spacing = torch.full((count,), math.log(spacing), device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced_precision):
            estimate: Tensor = self._denoiser(stack, level, labels, log_spacing)
        return estimate[:, :, :rows, :columns].float().to(x.device)
