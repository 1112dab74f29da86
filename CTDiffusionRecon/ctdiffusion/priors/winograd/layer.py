"""Convolution layers that are evaluated by Winograd's algorithm wherever that is possible and pays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...operators.compiled import has_numba
from .convolution import Workspace, convolve, transformed

# Below this many channels on either side the transforms cost more than they save (measured: 0.7 of the
# speed at 16, 1.2 times it at 24, 1.7 at 48, 2.5 at 96).
FEWEST_CHANNELS = 24
# Below this many tiles of 4x4 pixels in a batch the products wait for the weights, which are four times as many.
FEWEST_TILES = 16
# Bytes that the transformed weights of a network may take. The smallest go first: they serve the largest images.
MOST_BYTES = 500_000_000
_PER_WEIGHT = 4 * 36 // 9


class WinogradConv2d(nn.Conv2d):
    """A 3x3 convolution with the parameters and the result of `nn.Conv2d`, but for rounding.

    It falls back to the plain convolution for anything but float32 on the CPU, and where gradients are wanted.
    """

    workspace: Workspace
    _matrices: Tensor | None
    _made_from: tuple[int, int]

    @staticmethod
    def of(layer: nn.Conv2d, workspace: Workspace) -> WinogradConv2d:
        """The same layer: it shares the parameters of `layer`."""
        fast = WinogradConv2d.__new__(WinogradConv2d)
        fast.__dict__.update(layer.__dict__)
        fast.workspace = workspace
        fast._matrices, fast._made_from = None, (0, 0)
        return fast

    def forward(self, x: Tensor) -> Tensor:
        if not self.takes(x):
            return super().forward(x)
        shift = self.shift(x)
        return self.convolved(x, torch.ones_like(shift), shift)

    def shift(self, x: Tensor) -> Tensor:
        """The bias for every image of `x`, `[image, channel]`."""
        bias = self.weight.new_zeros(self.out_channels) if self.bias is None else self.bias
        return bias.expand(x.shape[0], -1)

    def takes(self, x: Tensor) -> bool:
        """Whether `x` `[image, channel, row, column]` is something for this algorithm, here and now."""
        return (
            x.dtype == self.weight.dtype == torch.float32
            and x.device.type == self.weight.device.type == "cpu"
            and x.ndim == 4
            and x.shape[1] == self.in_channels
            and x.shape[0] * (x.shape[2] // 4) * (x.shape[3] // 4) >= FEWEST_TILES
            and not torch.is_autocast_enabled("cpu")
            and not (torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad))
            and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        )

    def convolved(
        self, x: Tensor, scale: Tensor, shift: Tensor, activate: bool = False, added: Tensor | None = None
    ) -> Tensor:
        """scale * (convolution without bias) + shift, then silu or plus `added`; see `convolve`."""
        return convolve(x, self._current(), scale, shift, self.workspace, activate, added)

    def _current(self) -> Tensor:
        """The transformed weights; made again whenever the weights have changed."""
        version = 0 if self.weight.is_inference() else self.weight._version
        origin = (self.weight.data_ptr(), version)
        if self._matrices is None or origin != self._made_from:
            self._matrices, self._made_from = transformed(self.weight), origin
        return self._matrices


def suits(layer: nn.Module) -> bool:
    """Whether a layer is a convolution that this algorithm speeds up."""
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.stride == (1, 1)
        and layer.dilation == (1, 1)
        and layer.padding in ((1, 1), "same")
        and layer.padding_mode == "zeros"
        and layer.groups == 1
        and min(layer.in_channels, layer.out_channels) >= FEWEST_CHANNELS
        and layer.weight.dtype == torch.float32
        and layer.weight.device.type == "cpu"
    )


def accelerate(network: nn.Module) -> int:
    """Put `WinogradConv2d` in the place of a network's convolutions, in place; returns how many.

    Names and parameters stay, and so does the result within float32's rounding. Without numba nothing is replaced.
    """
    if not has_numba():
        return 0
    found = [
        (parent, name, layer)
        for parent in network.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Conv2d) and suits(layer)
    ]
    if not found:
        return 0
    found.sort(key=lambda place: place[2].weight.numel())
    workspace, left, count = Workspace(), MOST_BYTES, 0
    for parent, name, layer in found:
        left -= layer.weight.numel() * _PER_WEIGHT
        if left < 0:
            break
        setattr(parent, name, WinogradConv2d.of(layer, workspace))
        count += 1
    return count
