"""Projectors of other libraries, where they are installed: astra-toolbox (GPL-3) and itk-rtk (Apache-2.0).

They are timed and compared, never used by the engine; `projectors.py` beside this file does it.
"""

from __future__ import annotations

import importlib
import math
import sys
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from ctdiffusion.benchmark.projectors import Candidates
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam
from torch import Tensor

LIBRARIES = ("astra-toolbox", "itk-rtk")


def references(geometry: Geometry, grid: Grid, device: torch.device) -> Candidates:
    """The libraries that are here and can project this geometry on this device, by name."""
    found: Candidates = {}
    if device.type == "cpu" and geometry.is_stack and has_astra(geometry):
        found["astra-toolbox"] = partial(AstraProjector, geometry, grid)
    if device.type == "cpu" and not geometry.is_stack and has_rtk():
        found["itk-rtk"] = partial(RtkProjector, geometry, grid)
    return found


def has_astra(geometry: ParallelBeam | FanBeam) -> bool:
    """Whether ASTRA is here and can do this geometry on a CPU: no curved detectors."""
    return not geometry.curved and _importable("astra")


def has_rtk() -> bool:
    """Whether ITK's RTK module is here; it is used for cone beams."""
    return _importable("itk") and find_spec("itk.RTKPython") is not None


def _importable(name: str) -> bool:
    """Whether a library is here and loads; a wheel may want libraries of a GPU's driver that are missing."""
    if find_spec(name) is None:
        return False
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name} is installed but cannot be imported: {error}", file=sys.stderr)
        return False
    return True


class AstraProjector:
    """ASTRA's CPU projectors ("linear", for fans "line_fanflat"), one slice after the other."""

    def __init__(self, geometry: ParallelBeam | FanBeam, grid: Grid) -> None:
        astra = importlib.import_module("astra")
        _, rows, columns = grid.shape
        _, dy, dx = grid.spacing
        x, y, _ = grid.centre
        width, height = 0.5 * columns * dx, 0.5 * rows * dy
        # ASTRA's y runs upwards, against our rows.
        volume = astra.create_vol_geom(rows, columns, x - width, x + width, -y - height, -y + height)
        kind = "fanflat_vec" if geometry.divergent else "parallel_vec"
        vectors = np.array([_vectors(geometry, theta) for theta in geometry.angles])
        scan = astra.create_proj_geom(kind, geometry.columns, vectors)
        name = "line_fanflat" if geometry.divergent else "linear"
        self._operator: Any = astra.OpTomo(astra.create_projector(name, scan, volume))

    def forward(self, x: Tensor) -> Tensor:
        """Line integrals of `[slice, row, column]`."""
        return torch.from_numpy(np.stack([self._operator.FP(image) for image in x.numpy()]))

    def adjoint(self, y: Tensor) -> Tensor:
        """Back-projection of `[slice, view, column]`."""
        return torch.from_numpy(np.stack([self._operator.BP(sinogram) for sinogram in y.numpy()]))


def _vectors(geometry: ParallelBeam | FanBeam, theta: float) -> tuple[float, ...]:
    """ASTRA's six numbers of one view: ray or source, detector centre, step along the detector; y upwards."""
    cos, sin, offset, step = math.cos(theta), math.sin(theta), geometry.column_offset, geometry.column_spacing
    if not geometry.divergent:
        return (-sin, -cos, offset * cos, -offset * sin, step * cos, -step * sin)
    source, rest = geometry.source_to_isocentre, geometry.source_to_detector - geometry.source_to_isocentre
    return (
        source * sin, source * cos, -rest * sin + offset * cos, -rest * cos - offset * sin, step * cos, -step * sin,
    )  # fmt: skip


class RtkProjector:
    """RTK's Joseph projector and its back-projector, with the copies between torch and ITK that using it takes."""

    def __init__(self, geometry: ConeBeam, grid: Grid) -> None:
        self._itk: Any = importlib.import_module("itk")
        self._rtk: Any = self._itk.RTK
        self._geometry, self._grid = geometry, grid
        self._scan = self._rtk.ThreeDCircularProjectionGeometry.New()
        for theta in geometry.angles:
            self._scan.AddProjection(
                geometry.source_to_isocentre, geometry.source_to_detector, math.degrees(theta), 0.0, 0.0
            )

    def forward(self, x: Tensor) -> Tensor:
        """Line integrals of `[slice, row, column]` as `[view, row, column]`."""
        return self._run("JosephForwardProjectionImageFilter", self._empty_stack(), self._volume(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Back-projection of `[view, row, column]`."""
        back = self._run("JosephBackProjectionImageFilter", self._volume(None), self._stack(y))
        return back.permute(1, 0, 2).flip(1)

    def _run(self, name: str, onto: Any, source: Any) -> Tensor:
        kind = type(onto)
        projector = getattr(self._rtk, name)[kind, kind].New()
        projector.SetGeometry(self._scan)
        projector.SetInput(0, onto)
        projector.SetInput(1, source)
        projector.Update()
        return torch.from_numpy(self._itk.array_from_image(projector.GetOutput()))

    def _volume(self, x: Tensor | None) -> Any:
        # RTK turns about its second axis and starts with the source on the positive third: (x, z, -y) here.
        slices, rows, columns = self._grid.shape
        dz, dy, dx = self._grid.spacing
        turned = torch.zeros(rows, slices, columns) if x is None else x.flip(1).permute(1, 0, 2).contiguous()
        return self._image(turned.numpy(), (dx, dz, dy))

    def _empty_stack(self) -> Any:
        return self._stack(torch.zeros(self._geometry.data_shape(self._grid.shape[0])))

    def _stack(self, y: Tensor) -> Any:
        return self._image(y.contiguous().numpy(), (self._geometry.column_spacing, self._geometry.row_spacing, 1.0))

    def _image(self, array: np.ndarray[Any, Any], spacing: tuple[float, float, float]) -> Any:
        image = self._itk.image_from_array(array)
        image.SetSpacing(spacing)
        image.SetOrigin([-0.5 * (n - 1) * s for n, s in zip(array.shape[::-1], spacing, strict=True)])
        return image
