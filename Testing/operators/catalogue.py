"""Every operator there is, once: add a line and inherit the whole generic suite."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from ctdiffusion.operators.base import LinearOperator
from ctdiffusion.operators.compiled import has_numba
from ctdiffusion.operators.cone_cuda import has_diffct
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam, equispaced, limited_angle

# Odd, unequal sizes, pixels that are not square, a grid off the isocentre, detectors off centre, uneven angles.
GRID = Grid((3, 37, 46), (2.0, 1.3, 0.9), (4.0, -3.0, 2.0))
VOLUME_GRID = Grid((21, 26, 31), (1.2, 1.5, 1.1), (3.0, -2.0, 1.5))
UNEVEN = (0.0, 0.4, 0.5, math.pi / 2, 2.0, 3.0, 3.3, 4.6, 5.9)

GEOMETRIES: dict[str, tuple[Geometry, Grid]] = {
    "parallel": (ParallelBeam(UNEVEN, 61, 1.1, 2.3), GRID),
    "parallel-180": (ParallelBeam(equispaced(12, math.pi), 70, 0.9), GRID),
    "fan": (FanBeam(UNEVEN, 120.0, 210.0, 67, 1.9, -3.1), GRID),
    "fan-curved": (FanBeam(UNEVEN, 120.0, 210.0, 67, 1.9, 4.2, curved=True), GRID),
    "fan-limited": (FanBeam(limited_angle(11, 0.3, 1.9), 150.0, 240.0, 67, 1.9), GRID),
    "cone": (ConeBeam(UNEVEN, 130.0, 220.0, 33, 47, 1.7, 1.6, 2.6, -1.9), VOLUME_GRID),
}


@dataclass(frozen=True)
class Case:
    """One operator of the catalogue."""

    geometry_name: str
    backend: str

    @property
    def geometry(self) -> Geometry:
        return GEOMETRIES[self.geometry_name][0]

    @property
    def grid(self) -> Grid:
        return GEOMETRIES[self.geometry_name][1]

    def make(self) -> LinearOperator:
        missing = _MISSING.get(self.backend)
        if missing is not None and missing():
            pytest.skip(f"the library for backend {self.backend!r} is not installed")
        return make_operator(self.geometry, self.grid, backend=self.backend)

    def __str__(self) -> str:
        return f"{self.geometry_name}/{self.backend}"


_MISSING: dict[str, Callable[[], bool]] = {
    "csr": lambda: not has_numba(),
    "matrixfree": lambda: not has_numba(),
    "cone": lambda: not has_numba(),
    "diffct": lambda: not has_diffct(),
}

_BACKENDS = {"cone": ("auto", "cone", "torch", "diffct")}
_STACK_BACKENDS = ("auto", "csr", "torch", "matrixfree")

CASES = [Case(name, backend) for name in GEOMETRIES for backend in _BACKENDS.get(name, _STACK_BACKENDS)]
every_operator = pytest.mark.parametrize("case", CASES, ids=str)
