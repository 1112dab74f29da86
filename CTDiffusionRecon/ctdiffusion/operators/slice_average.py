"""Thick slices as weighted means of thin ones: the forward model of z super-resolution."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .slice_profiles import FACTORS, PROFILES

# A trapezoid's flat top relative to its base: what a spoiled-gradient-echo excitation or a CT collimator comes near to.
_FLAT_SHARE = 0.5
# Beyond this noise gain single precision does not reproduce the thick slices to a part in a thousand.
_HOPELESS = 1e4


@dataclass(frozen=True)
class Profile:
    """A slice sensitivity profile.

    Attributes:
        shape: gaussian, or trapezoid (its flat top is half as wide as its base).
        fwhm: full width at half maximum in thin slices.

    Raises:
        ValueError: an unknown shape or a width that is not positive.
    """

    shape: str
    fwhm: float

    def __post_init__(self) -> None:
        if self.shape not in PROFILES[1:]:
            raise ValueError(f"profile: must be one of {', '.join(PROFILES[1:])}, got {self.shape!r}")
        if not (math.isfinite(self.fwhm) and self.fwhm > 0.0):
            raise ValueError(f"profile_mm: must be a positive width, got {self.fwhm!r}")

    def below(self, distance: Tensor) -> Tensor:
        """Share of the sensitivity that lies below distances from the centre in thin slices, 0 to 1."""
        if self.shape == "gaussian":
            return 0.5 * (1.0 + torch.erf(2.0 * math.sqrt(math.log(2.0)) * distance / self.fwhm))
        base = 2.0 * self.fwhm / (1.0 + _FLAT_SHARE)
        d = distance.clamp(-0.5 * base, 0.5 * base)
        # The trapezoid is a sum of four ramps, its integral one of four parabolas.
        corners = ((-0.5, 1.0), (-0.5 * _FLAT_SHARE, -1.0), (0.5 * _FLAT_SHARE, -1.0), (0.5, 1.0))
        area = sum(sign * 0.5 * (d - place * base).clamp(min=0.0) ** 2 for place, sign in corners)
        return torch.as_tensor(area / (0.5 * base * (1.0 - _FLAT_SHARE) * self.fwhm))


class SliceAverage:
    """y = A x: thick slice k is the weighted mean of the thin slices about its centre, along the first axis.

    Without a profile it is the plain mean of thin slices k f to k f + f - 1, whose transpose and pseudo-inverse need no
    matrix: A A' = I / f, so that A+ repeats every thick slice f times. A thin slice counts by the part of the profile
    that lies in it; at the ends of the volume the weights that remain are scaled to a sum of 1.

    Args:
        thin_slices: number of thin slices, a multiple of `factor`.
        factor: f, thin slices from one thick slice to the next, 2 to 8.
        profile: slice profile; None is the rectangle of one slice distance.

    Raises:
        ValueError: a factor out of range, one that does not divide the thin slices, or a profile so wide that the
            thick slices are all but the same.
    """

    def __init__(self, thin_slices: int, factor: int, profile: Profile | None = None) -> None:
        low, high = FACTORS
        if not low <= factor <= high:
            raise ValueError(f"factor: must lie in [{low}, {high}], got {factor}")
        if thin_slices < 1 or thin_slices % factor:
            raise ValueError(f"factor: {factor} does not divide {thin_slices} slices")
        self.thin_slices, self.factor, self.profile = thin_slices, factor, profile
        self.thick_slices = thin_slices // factor
        self._matrix = None if profile is None else _matrix(self.thick_slices, factor, profile.below)
        if self.noise_gain > _HOPELESS:
            raise ValueError(
                "profile_mm: the slices overlap by so much that thin ones cannot be told from them: their noise "
                f"would become {self.noise_gain:.0g} times stronger"
            )

    @cached_property
    def noise_gain(self) -> float:
        """How many times A+ makes noise in the thick slices stronger, at worst, than repeating them would (1)."""
        if self._matrix is None:
            return 1.0
        least = float(torch.linalg.svdvals(self._matrix)[-1])
        return 1.0 / (least * math.sqrt(self.factor)) if least > 0.0 else math.inf

    def matrix(self) -> Tensor:
        """A as a matrix `[thick slice, thin slice]`, float64."""
        if self._matrix is not None:
            return self._matrix
        return torch.eye(self.thick_slices, dtype=torch.float64).repeat_interleave(self.factor, 1) / self.factor

    def forward(self, x: Tensor) -> Tensor:
        """A x, `[thick slice, row, column]` from `[thin slice, row, column]`.

        Raises:
            ValueError: another number of slices.
        """
        self._check(x, self.thin_slices)
        if self._matrix is not None:
            return along_slices(self._matrix, x)
        return x.reshape(self.thick_slices, self.factor, *x.shape[1:]).mean(1)

    def adjoint(self, y: Tensor) -> Tensor:
        """A' y, the exact transpose.

        Raises:
            ValueError: another number of slices.
        """
        self._check(y, self.thick_slices)
        if self._matrix is not None:
            return along_slices(self._matrix.T, y)
        return y.repeat_interleave(self.factor, 0) / self.factor

    def pseudo_inverse(self, y: Tensor, rho: float = 0.0) -> Tensor:
        """A' (A A' + rho I)^-1 y: for rho = 0 the exact pseudo-inverse, A A+ = I.

        Args:
            y: thick slices `[slice, row, column]`.
            rho: variance of the noise in y over that of the thin slices it corrects.

        Raises:
            ValueError: another number of slices.
        """
        self._check(y, self.thick_slices)
        if self._matrix is None:
            return y.repeat_interleave(self.factor, 0) / (1.0 + self.factor * rho)
        gram = self._matrix @ self._matrix.T
        gram = gram + rho * torch.eye(self.thick_slices, dtype=gram.dtype)
        return along_slices(torch.linalg.solve(gram, self._matrix).T, y)

    def _check(self, x: Tensor, slices: int) -> None:
        if x.dim() != 3 or x.shape[0] != slices:
            raise ValueError(f"expected {slices} slices [slice, row, column], got an array of shape {tuple(x.shape)}")


def along_slices(matrix: Tensor, x: Tensor) -> Tensor:
    """A matrix `[m, n]` applied along the slices of `[n, row, column]`, in the type and on the device of x."""
    out: Tensor = torch.tensordot(matrix.to(x), x, dims=1)
    return out


def _matrix(thick: int, factor: int, below: Callable[[Tensor], Tensor]) -> Tensor:
    edges = torch.arange(thick * factor + 1, dtype=torch.float64)
    centres = (torch.arange(thick, dtype=torch.float64) + 0.5) * factor
    weights = below(edges[None] - centres[:, None]).diff(dim=1)
    return weights / weights.sum(1, keepdim=True)
