"""A preconditioner for A' W A of stacks seen from all round: its inverse, as if it were a convolution.

Projecting and back-projecting blurs every point alike where the views are many, and the blur depends on the distance
alone: it is a factor in the Fourier plane, of the radius alone (after Clinthorne et al. 1993, doi:10.1109/42.222670).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# The factor is never taken for less than this part of its largest value.
SMALLEST = 1e-4


@dataclass(frozen=True)
class RadialPreconditioner:
    """r -> (H + rho)^-1 r for images `[slice, row, column]`.

    Attributes:
        response: H of every slice in the half plane of a real Fourier transform, `[slice, row, column / 2 + 1]`.
    """

    response: Tensor

    @staticmethod
    def of(
        normal: Callable[[Tensor], Tensor], shape: tuple[int, int, int], device: torch.device
    ) -> RadialPreconditioner:
        """H from what `normal` (x -> A' W A x) makes of the middle pixel of every slice; `shape` is that of x."""
        slices, rows, columns = shape
        point = torch.zeros(shape, device=device)
        point[:, rows // 2, columns // 2] = 1.0
        blurred = torch.roll(normal(point), (-(rows // 2), -(columns // 2)), dims=(1, 2))
        spectrum = torch.fft.rfft2(blurred).real
        down = torch.fft.fftfreq(rows, device=device)[:, None]
        across = torch.fft.rfftfreq(columns, device=device)[None, :]
        # Rings one step of the finer axis wide; the mean of a ring lies at the mean radius of its members.
        radius = torch.sqrt(down**2 + across**2) * max(rows, columns)
        ring = radius.round().long().flatten()
        count = torch.bincount(ring).clamp(min=1)
        mean = torch.zeros(slices, count.numel(), device=device).index_add_(1, ring, spectrum.flatten(1)) / count
        mean = torch.maximum(mean, SMALLEST * mean.amax(1, keepdim=True))
        return RadialPreconditioner(mean[:, ring].reshape(spectrum.shape))

    def __call__(self, r: Tensor, rho: float) -> Tensor:
        """The preconditioned residual for A' W A + rho I."""
        out: Tensor = torch.fft.irfft2(torch.fft.rfft2(r) / (self.response + rho), s=r.shape[-2:])
        return out
