"""A stand-in for torch-radon (carterbox fork, v3) on the CPU, with the conventions of its kernels.

Everything is in pixels about the array's centre, x along columns and r along rows. Parallel and fan at angle t: source
at src_dist (sin t, cos t), u = (cos t, -sin t); cone: source at src_dist (sin t, -cos t), u = (cos t, sin t), v = +z.
Projection is ray-driven with linear interpolation; back-projection is pixel-driven and therefore not its exact
transpose. Where the library would fail on a GPU, this fails, too.
"""

from __future__ import annotations

import math
import types
from typing import Any

import torch
from torch import Tensor


class Volume2D:
    """Size of the image; unit pixels."""

    def __init__(self) -> None:
        self.size: tuple[int, ...] | None = None

    def set_size(self, *size: int) -> None:
        self.size = size


class Volume3D(Volume2D):
    """Size of the volume; unit voxels."""


class _Radon:
    def __init__(self, angles: Tensor, columns: int, spacing: float, volume: Volume2D | None) -> None:
        assert isinstance(angles, Tensor) and angles.ndim == 1 and angles.dtype == torch.float32
        assert float(angles.abs().max()) <= math.pi + 1e-6, "fast sine: angles beyond pi lose accuracy"
        assert volume is not None
        self.angles, self.columns, self.spacing, self.volume = angles.double(), columns, spacing, volume

    def _check(self, x: Tensor) -> None:
        assert x.dtype == torch.float32 and x.is_contiguous()


class _Slices(_Radon):
    src_dist = det_dist = 0.0

    def _rays(self, angle: float) -> tuple[Tensor, Tensor]:
        """A point on every ray and its direction, (x, r) `[column, 2]`."""
        axis = torch.tensor([math.cos(angle), -math.sin(angle)], dtype=torch.float64)
        beam = torch.tensor([-math.sin(angle), -math.cos(angle)], dtype=torch.float64)
        u = (torch.arange(self.columns, dtype=torch.float64) - self.columns / 2 + 0.5) * self.spacing
        if self.src_dist == 0.0:
            return u[:, None] * axis, beam.expand(self.columns, 2)
        pixel = self.det_dist * beam + u[:, None] * axis
        source = -self.src_dist * beam
        ray = pixel - source
        return source.expand_as(ray), ray / ray.norm(dim=1, keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        assert x.shape[0] % 4 == 0, "not the four-channel path"
        self.volume.set_size(*x.shape[-2:])
        return torch.stack([self._project(x.double(), float(a)) for a in self.angles], dim=1).float()

    def _project(self, x: Tensor, angle: float) -> Tensor:
        batch, height, width = x.shape
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
        out = torch.zeros(batch, self.columns, dtype=torch.float64)
        points, directions = self._rays(angle)
        for k, (point, direction) in enumerate(zip(points, directions, strict=True)):
            along = 0 if abs(direction[0]) > abs(direction[1]) else 1
            count, across = (width, height) if along == 0 else (height, width)
            step = torch.arange(count, dtype=torch.float64)
            t = (step - count / 2 + 0.5 - point[along]) / direction[along]
            place = (point[1 - along] + t * direction[1 - along] + across / 2 - 0.5).clamp(-1, across)
            near = place.floor().clamp(max=across - 1).long()
            part = place - near
            lines = step.long() + 1
            one, two = ((near + 1, lines), (near + 2, lines)) if along == 0 else ((lines, near + 1), (lines, near + 2))
            value = padded[:, one[0], one[1]] * (1 - part) + padded[:, two[0], two[1]] * part
            out[:, k] = value.sum(1) / direction[along].abs()
        return out

    def backward(self, y: Tensor) -> Tensor:
        self._check(y)
        assert self.volume.size is not None, "backward before forward and no size set"
        assert y.shape[0] % 4 == 0 and y.shape[1] == len(self.angles) and y.shape[2] == self.columns
        height, width = self.volume.size
        x = (torch.arange(width, dtype=torch.float64) - width / 2 + 0.5)[None, :]
        r = (torch.arange(height, dtype=torch.float64) - height / 2 + 0.5)[:, None]
        padded = torch.nn.functional.pad(y.double(), (1, 1))
        out = torch.zeros(y.shape[0], height, width, dtype=torch.float64)
        for view, a in enumerate(self.angles):
            cos, sin = math.cos(float(a)), math.sin(float(a))
            u, density = x * cos - r * sin, torch.ones(height, width, dtype=torch.float64)
            if self.src_dist > 0.0:
                scale = (self.src_dist + self.det_dist) / (self.src_dist - x * sin - r * cos)
                u, density = u * scale, density * scale
            place = (u / self.spacing + self.columns / 2 + 0.5).clamp(0, self.columns + 1)
            near = place.floor().clamp(max=self.columns).long()
            row = padded[:, view]
            out += torch.lerp(row[:, near], row[:, near + 1], place - near) * density / self.spacing
        return out.float()


class ParallelBeam(_Slices):
    """Parallel beam."""

    def __init__(self, det_count: int, angles: Tensor, det_spacing: float = 1.0, volume: Any = None) -> None:
        super().__init__(angles, det_count, det_spacing, volume)


class FanBeam(_Slices):
    """Flat fan; det_dist is isocentre to detector."""

    def __init__(
        self, det_count: int, angles: Tensor, src_dist: float, det_dist: float, det_spacing: float, volume: Any = None
    ) -> None:
        super().__init__(angles, det_count, det_spacing, volume)
        self.src_dist, self.det_dist = src_dist, det_dist


class ConeBeam(_Radon):
    """Circular cone; linear interpolation at unit steps of the dominant in-plane axis."""

    def __init__(
        self,
        det_count_u: int,
        angles: Tensor,
        src_dist: float,
        det_dist: float,
        det_count_v: int = -1,
        det_spacing_u: float = 1.0,
        det_spacing_v: float = -1.0,
        volume: Any = None,
    ) -> None:
        super().__init__(angles, det_count_u, det_spacing_u, volume)
        self.src_dist, self.det_dist, self.rows, self.spacing_v = src_dist, det_dist, det_count_v, det_spacing_v

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        assert x.ndim == 4
        self.volume.set_size(*x.shape[1:])
        return torch.stack([self._project(x, float(a)) for a in self.angles], dim=1).float()

    def backward(self, y: Tensor) -> Tensor:
        """The transpose, with the obliquity left out as the library does."""
        self._check(y)
        assert self.volume.size is not None, "backward before forward and no size set"
        x = torch.zeros(y.shape[0], *self.volume.size, requires_grad=True)
        views = torch.stack([self._project(x, float(a)) for a in self.angles], dim=1)
        return torch.autograd.grad(views, x, y.double())[0]

    def _project(self, x: Tensor, angle: float) -> Tensor:
        depth, height, width = x.shape[1:]
        cos, sin = math.cos(angle), math.sin(angle)
        u = ((torch.arange(self.columns, dtype=torch.float64) - self.columns / 2 + 0.5) * self.spacing)[None, :]
        v = ((torch.arange(self.rows, dtype=torch.float64) - self.rows / 2 + 0.5) * self.spacing_v)[:, None]
        dx = -(self.src_dist + self.det_dist) * sin + u * cos + 0 * v
        dr = (self.src_dist + self.det_dist) * cos + u * sin + 0 * v
        length = torch.sqrt(dx**2 + dr**2 + v**2)
        by_rows = dr.abs() >= dx.abs()
        total = torch.zeros(x.shape[0], *dx.shape, dtype=torch.float64)
        for step in range(max(height, width)):
            t_rows = (step - height / 2 + 0.5 + self.src_dist * cos) / dr
            t_columns = (step - width / 2 + 0.5 - self.src_dist * sin) / dx
            t = torch.where(by_rows, t_rows, t_columns)
            inside = torch.where(by_rows, step < height, step < width)
            place = torch.stack(
                [
                    (self.src_dist * sin + t * dx) * 2 / width,
                    (-self.src_dist * cos + t * dr) * 2 / height,
                    t * (v + 0 * u) * 2 / depth,
                ],
                dim=-1,
            )
            sampled = torch.nn.functional.grid_sample(x.double()[:, None], place[None, None], align_corners=False)
            total = total + torch.where(inside, sampled[:, 0, 0], 0.0)
        return total * length / torch.where(by_rows, dr.abs(), dx.abs())


def module() -> types.ModuleType:
    """The stand-in under the library's name."""
    library = types.ModuleType("torch_radon")
    for part in (ParallelBeam, FanBeam, ConeBeam, Volume2D, Volume3D):
        setattr(library, part.__name__, part)
    return library
