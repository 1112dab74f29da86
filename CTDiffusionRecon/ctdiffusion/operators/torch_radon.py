"""Optional projector on CUDA through torch-radon (the carterbox fork, v3). Our own adapter; the library is GPL-3.

The library works in pixels, about the array's centre, with conventions of its own for each beam, and its
back-projection is not the exact transpose of its projection (about 1-2 % on random data). The adapter always gives it
unit voxels, wraps the angles and does the lengths in mm here.

What was run: the tests, against an emulation of the library's conventions on a CPU. The library itself and its kernels
have not been run through this adapter; it is never chosen by itself.
"""

from __future__ import annotations

import importlib
import math
import sys
import types
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ..scan.beams import Geometry, Grid
from .base import LinearOperator
from .fbp import fbp
from .fdk import fdk
from .shapes import check_projections, check_volume

# Limits of the library's layered textures: views per call, slices per call (four to a layer).
VIEWS_PER_CALL = 2048
SLICES_PER_CALL = 4 * 2048


def load_torch_radon() -> Any:
    """Import the library.

    Raises:
        ValueError: it is missing, or is the original 1.x with other conventions.
    """
    if "torch_radon" not in sys.modules and find_spec("torch_radon") is None:
        raise ValueError("backend: 'torch-radon' needs the library torch-radon (carterbox fork, v3), not installed")
    # The fork imports a name from the standard module `turtle` by mistake, which fails in a Python without tkinter.
    stub = "turtle" not in sys.modules and find_spec("_tkinter") is None
    if stub:
        module = types.ModuleType("turtle")
        module.width = None  # type: ignore[attr-defined]
        sys.modules["turtle"] = module
    try:
        library = importlib.import_module("torch_radon")
    except ImportError as error:
        raise ValueError(f"backend: torch-radon cannot be imported: {error}") from None
    finally:
        if stub:
            del sys.modules["turtle"]
    if not hasattr(library, "ParallelBeam"):
        raise ValueError("backend: this torch-radon is the original 1.x; only the carterbox fork (v3) is supported")
    return library


class TorchRadonOperator(LinearOperator):
    """Parallel beam, flat fan and cone beam by torch-radon, in mm.

    Raises:
        ValueError: the library is missing, or cannot do this geometry and grid.
    """

    backend = "torch-radon"
    matched = False

    def __init__(self, geometry: Geometry, grid: Grid, device: torch.device) -> None:
        library = load_torch_radon()
        _check_supported(geometry, grid)
        self.geometry, self.grid = geometry, grid
        self._device = device
        self._pixel = grid.spacing[2]
        self._padding_u = _padding(geometry.column_offset, geometry.column_spacing, "column_offset")
        self._padding_v = (0, 0)
        if not geometry.is_stack:
            self._padding_v = _padding(geometry.row_offset, geometry.row_spacing, "row_offset")
        angles = torch.tensor([_wrapped(_sense(geometry, theta)) for theta in geometry.angles], device=device)
        # A fan's columns run the other way.
        self._flipped = geometry.is_stack and geometry.divergent
        self._scale = _scale(geometry, grid).to(device)
        self._radons = [self._radon(library, part) for part in torch.split(angles, VIEWS_PER_CALL)]

    def forward(self, x: Tensor) -> Tensor:
        check_volume(x, self.geometry, self.grid)
        volume = x.detach().to(self._device, torch.float32)
        if not self.geometry.is_stack:
            y = torch.cat([radon.forward(volume[None].contiguous())[0] for radon in self._radons])
        else:
            y = torch.cat([self._by_fours(part, "forward") for part in torch.split(volume, SLICES_PER_CALL)])
        if self._flipped:
            y = y.flip(-1)
        return (self._cropped(y) * self._scale).to(x.device)

    def adjoint(self, y: Tensor) -> Tensor:
        check_projections(y, self.geometry)
        data = y.detach().to(self._device, torch.float32) * self._scale
        data = torch.nn.functional.pad(data, (*self._padding_u, *self._padding_v))
        if self._flipped:
            data = data.flip(-1)
        if not self.geometry.is_stack:
            parts = torch.split(data, VIEWS_PER_CALL)
            x = sum(radon.backward(p[None].contiguous())[0] for radon, p in zip(self._radons, parts, strict=True))
        else:
            x = torch.cat([self._by_fours(part, "backward") for part in torch.split(data, SLICES_PER_CALL)])
        return torch.as_tensor(x).to(y.device)

    def fbp(self, y: Tensor, window: str = "ram-lak") -> Tensor:
        # Not the library's filter: it knows neither fan weights nor unequal views.
        check_projections(y, self.geometry)
        if not self.geometry.is_stack:
            return fdk(y, self.geometry, self.grid, window)
        return fbp(y, self.geometry, self.grid, window)

    def _by_fours(self, stack: Tensor, direction: str) -> Tensor:
        """Slices in a multiple of four, for which the library reads four at once."""
        count = stack.shape[0]
        filled = torch.cat([stack, stack.new_zeros(-count % 4, *stack.shape[1:])]).contiguous()
        if direction == "forward":
            result = torch.cat([radon.forward(filled) for radon in self._radons], dim=1)
        else:
            parts = torch.split(filled, VIEWS_PER_CALL, dim=1)
            result = torch.as_tensor(
                sum(radon.backward(p.contiguous()) for radon, p in zip(self._radons, parts, strict=True))
            )
        return result[:count]

    def _cropped(self, y: Tensor) -> Tensor:
        (left, right), (top, bottom) = self._padding_u, self._padding_v
        y = y[..., left : y.shape[-1] - right]
        return y if self.geometry.is_stack else y[..., top : y.shape[-2] - bottom, :]

    def _radon(self, library: Any, angles: Tensor) -> Any:
        geometry, pixel = self.geometry, self._pixel
        columns = geometry.columns + sum(self._padding_u)
        spacing = geometry.column_spacing / pixel
        slices, rows, width = self.grid.shape
        if not geometry.is_stack:
            radon = library.ConeBeam(
                columns,
                angles,
                src_dist=geometry.source_to_isocentre / pixel,
                det_dist=(geometry.source_to_detector - geometry.source_to_isocentre) / pixel,
                det_count_v=geometry.rows + sum(self._padding_v),
                det_spacing_u=spacing,
                det_spacing_v=geometry.row_spacing / self.grid.spacing[0],
                volume=library.Volume3D(),
            )
            radon.volume.set_size(slices, rows, width)
            return radon
        if geometry.divergent:
            radon = library.FanBeam(
                columns,
                angles,
                src_dist=geometry.source_to_isocentre / pixel,
                det_dist=(geometry.source_to_detector - geometry.source_to_isocentre) / pixel,
                det_spacing=spacing,
                volume=library.Volume2D(),
            )
        else:
            radon = library.ParallelBeam(columns, angles, det_spacing=spacing, volume=library.Volume2D())
        # Its backward asks for a size that only a forward would have set.
        radon.volume.set_size(rows, width)
        return radon


def _sense(geometry: Geometry, theta: float) -> float:
    """The library's angle for our view angle."""
    if not geometry.is_stack:
        return theta
    return math.pi - theta if geometry.divergent else -theta


def _wrapped(angle: float) -> float:
    """The same angle in [-pi, pi]: the library's fast sine loses accuracy outside."""
    return math.remainder(angle, 2.0 * math.pi)


def _padding(offset: float, spacing: float, name: str) -> tuple[int, int]:
    """Columns to add on either side so that the wider detector, which the library centres, holds the offset one."""
    twice = 2.0 * offset / spacing
    if abs(twice - round(twice)) > 1e-6:
        raise ValueError(f"{name}: torch-radon shifts the detector by whole halves of a pixel only, got {offset:g} mm")
    extra = round(twice)
    return (extra, 0) if extra > 0 else (0, -extra)


def _scale(geometry: Geometry, grid: Grid) -> Tensor:
    """mm per unit of the library's line integrals; per detector pixel for a cone with unequal voxels."""
    pixel = grid.spacing[2]
    if geometry.is_stack:
        return torch.tensor(pixel, dtype=torch.float32)
    u = torch.tensor(geometry.column_positions(), dtype=torch.float64)[None, :]
    v = torch.tensor(geometry.row_positions(), dtype=torch.float64)[:, None]
    plane = geometry.source_to_detector**2 + u**2
    squeezed = v * pixel / grid.spacing[0]
    return (pixel * torch.sqrt((plane + v**2) / (plane + squeezed**2))).float()


def _check_supported(geometry: Geometry, grid: Grid) -> None:
    _, dy, dx = grid.spacing
    if abs(dx - dy) > 1e-6 * dx:
        raise ValueError(f"grid spacing: torch-radon needs square pixels, got {dy:g} x {dx:g} mm")
    if any(abs(c) > 1e-9 for c in grid.centre):
        raise ValueError(f"grid centre: torch-radon needs the grid on the isocentre, got {grid.centre} mm")
    if geometry.curved:
        raise ValueError("curved: torch-radon has flat detectors only")
    if geometry.divergent:
        rest = geometry.source_to_detector - geometry.source_to_isocentre
        if rest <= grid.corner_radius:
            raise ValueError(
                f"source_to_detector: torch-radon needs the volume, whose corners reach {grid.corner_radius:.1f} mm, "
                f"wholly in front of the detector, which is {rest:.1f} mm behind the isocentre"
            )
