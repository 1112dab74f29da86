"""Phantoms with exact line integrals, in mm, asymmetric so that a wrong sign or flip cannot hide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from ctdiffusion.scan.beams import ConeBeam, Geometry, Grid, ParallelBeam
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def axes(grid: Grid) -> tuple[Array, Array, Array]:
    """World positions in mm of slices (z), rows (y) and columns (x)."""
    x, y, z = grid.centre
    centres = (z, y, x)
    return tuple(  # type: ignore[return-value]
        c + s * (np.arange(n) - (n - 1) / 2) for n, s, c in zip(grid.shape, grid.spacing, centres, strict=True)
    )


def lines(geometry: Geometry) -> tuple[Array, Array]:
    """A point on every ray and its unit direction, `[..., (x, y, z)]`, from the positions of source and pixels."""
    theta = np.asarray(geometry.angles)
    u = np.asarray(geometry.column_positions())
    axis_u = np.stack([np.cos(theta), np.sin(theta), 0 * theta], -1)
    beam = np.stack([-np.sin(theta), np.cos(theta), 0 * theta], -1)
    if isinstance(geometry, ParallelBeam):
        points = u[None, :, None] * axis_u[:, None]
        return points, np.broadcast_to(beam[:, None], points.shape)
    source = -geometry.source_to_isocentre * beam
    if isinstance(geometry, ConeBeam):
        v = np.asarray(geometry.row_positions())[None, :, None, None] * np.array([0.0, 0.0, 1.0])
        pixel = (source + geometry.source_to_detector * beam)[:, None, None] + v
        pixel = pixel + u[None, None, :, None] * axis_u[:, None, None]
        ray = pixel - source[:, None, None]
        points = np.broadcast_to(source[:, None, None], ray.shape)
    else:
        if geometry.curved:
            angle = (u / geometry.source_to_detector)[None, :, None]
            ray = np.cos(angle) * beam[:, None] + np.sin(angle) * axis_u[:, None]
        else:
            ray = geometry.source_to_detector * beam[:, None] + u[None, :, None] * axis_u[:, None]
        points = np.broadcast_to(source[:, None], ray.shape)
    return points, ray / np.linalg.norm(ray, axis=-1, keepdims=True)


@dataclass(frozen=True)
class Blobs:
    """Sum of isotropic Gaussians. `centres` in mm (x, y, z); infinite along z where `flat`."""

    centres: tuple[tuple[float, float, float], ...]
    sigmas: tuple[float, ...]
    heights: tuple[float, ...]
    flat: bool = True

    def volume(self, grid: Grid) -> Tensor:
        z, y, x = axes(grid)
        total = np.zeros(grid.shape)
        for (cx, cy, cz), sigma, height in zip(self.centres, self.sigmas, self.heights, strict=True):
            depth = 0.0 * z if self.flat else z - cz
            squared = (x - cx)[None, None] ** 2 + (y - cy)[None, :, None] ** 2 + depth[:, None, None] ** 2
            total += height * np.exp(-squared / (2 * sigma**2))
        return torch.from_numpy(total).float()

    def integrals(self, geometry: Geometry, slices: int = 1) -> Tensor:
        points, directions = lines(geometry)
        total = np.zeros(points.shape[:-1])
        for centre, sigma, height in zip(self.centres, self.sigmas, self.heights, strict=True):
            towards = np.asarray(centre) - points
            if self.flat:
                towards = towards * np.array([1.0, 1.0, 0.0])
            along = (towards * directions).sum(-1)
            squared = (towards**2).sum(-1) - along**2
            total += height * sigma * math.sqrt(2 * math.pi) * np.exp(-squared / (2 * sigma**2))
        result = torch.from_numpy(total).float()
        return result if isinstance(geometry, ConeBeam) else result.expand(slices, -1, -1).contiguous()


@dataclass(frozen=True)
class Ellipses:
    """Sum of ellipses: rows of (density, semi-axis x, semi-axis y, centre x, centre y, rotation in degrees), in mm."""

    rows: tuple[tuple[float, float, float, float, float, float], ...]

    def volume(self, grid: Grid, supersampling: int = 8) -> Tensor:
        fine = grid.refined(supersampling)
        _, y, x = axes(fine)
        total = np.zeros(fine.shape[1:], np.float32)
        for density, a, b, cx, cy, degrees in self.rows:
            cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            dx, dy = (x - cx)[None, :], (y - cy)[:, None]
            total[((dx * cos + dy * sin) / a) ** 2 + ((dy * cos - dx * sin) / b) ** 2 <= 1.0] += density
        averaged = torch.nn.functional.avg_pool2d(torch.from_numpy(total)[None], supersampling)
        return averaged.expand(grid.shape[0], -1, -1).contiguous()

    def integrals(self, geometry: Geometry, slices: int = 1) -> Tensor:
        points, directions = lines(geometry)
        total = np.zeros(points.shape[:-1])
        for density, a, b, cx, cy, degrees in self.rows:
            cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            x, y = points[..., 0] - cx, points[..., 1] - cy
            p = np.stack([(x * cos + y * sin) / a, (y * cos - x * sin) / b])
            dx, dy = directions[..., 0], directions[..., 1]
            d = np.stack([(dx * cos + dy * sin) / a, (dy * cos - dx * sin) / b])
            length = (d**2).sum(0)
            cross = p[0] * d[1] - p[1] * d[0]
            total += density * 2 * np.sqrt(np.clip(length - cross**2, 0.0, None)) / length
        return torch.from_numpy(total).float().expand(slices, -1, -1).contiguous()


def smooth(radius: float, flat: bool = True) -> Blobs:
    """Four unequal blobs well inside a ball of that radius in mm."""
    places = ((0.30, 0.05, 0.10), (-0.20, 0.35, -0.12), (-0.10, -0.35, 0.05), (0.10, -0.15, -0.05))
    sigmas = (0.13, 0.11, 0.10, 0.17) if flat else (0.17, 0.16, 0.155, 0.18)
    centres = tuple((x * radius, y * radius, z * radius) for x, y, z in places)
    return Blobs(centres, tuple(s * radius for s in sigmas), (0.02, 0.015, 0.01, 0.012), flat)


def shepp_logan(radius: float) -> Ellipses:
    """Shepp & Logan's head with Toft's contrasts, y downwards, largest value 1; made to fill a disc of that radius."""
    table = (
        (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
        (-0.8, 0.6624, 0.8740, 0.0, 0.0184, 0.0),
        (-0.2, 0.1100, 0.3100, 0.22, 0.0, 18.0),
        (-0.2, 0.1600, 0.4100, -0.22, 0.0, -18.0),
        (0.1, 0.2100, 0.2500, 0.0, -0.35, 0.0),
        (0.1, 0.0460, 0.0460, 0.0, -0.1, 0.0),
        (0.1, 0.0460, 0.0460, 0.0, 0.1, 0.0),
        (0.1, 0.0460, 0.0230, -0.08, 0.605, 0.0),
        (0.1, 0.0230, 0.0230, 0.0, 0.606, 0.0),
        (0.1, 0.0230, 0.0460, 0.06, 0.605, 0.0),
    )
    return Ellipses(tuple((d, a * radius, b * radius, x * radius, y * radius, r) for d, a, b, x, y, r in table))


def disc(density: float, radius: float, x: float = 0.0, y: float = 0.0) -> Ellipses:
    """A uniform disc."""
    return Ellipses(((density, radius, radius, x, y, 0.0),))


def inscribed(grid: Grid, fraction: float = 1.0) -> Tensor:
    """Mask `[row, column]` of the disc about the isocentre inside the slice, or of that fraction of its radius."""
    _, y, x = axes(grid)
    radius = fraction * grid.field_radius
    return torch.from_numpy((x**2)[None, :] + (y**2)[:, None] <= radius**2)


def relative_error(value: Tensor, reference: Tensor) -> float:
    """L2 norm of the difference over that of the reference."""
    return float((value - reference).double().norm() / reference.double().norm())


def psnr(value: Tensor, reference: Tensor, mask: Tensor) -> float:
    """Peak signal-to-noise ratio in dB inside a mask of the slice, the peak being that of the reference."""
    difference = (value - reference)[..., mask].double()
    return 20 * math.log10(float(reference.max()) / float(difference.square().mean().sqrt()))
