"""The torch-radon adapter against our own projector, through an emulation of the library's conventions."""

from __future__ import annotations

import math
import sys
import types
from dataclasses import replace

import pytest
import torch
from ctdiffusion.operators import torch_radon as adapter
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam
from operators import emulated_torch_radon
from operators.phantoms import Blobs, relative_error, smooth
from torch import Tensor

ANGLES = (0.1, 0.7, 1.5, 2.4, 3.6, 4.4, 5.9)
# Enough views for the grain of a pixel-driven back-projection to average out.
MANY = tuple(0.1 + 0.193 * k for k in range(32))
GRID = Grid((3, 40, 44), (2.0, 1.3, 1.3))
CUBE = Grid((24, 26, 28), (1.3, 1.3, 1.3))
CASES: dict[str, tuple[Geometry, Grid]] = {
    "parallel": (ParallelBeam(MANY, 61, 1.3), GRID),
    "parallel, offset": (ParallelBeam(MANY, 61, 1.2, -1.8), GRID),
    "fan": (FanBeam(MANY, 120.0, 210.0, 67, 1.9), GRID),
    "fan, offset": (FanBeam(MANY, 120.0, 210.0, 67, 1.9, 3.8), GRID),
    "cone": (ConeBeam(ANGLES, 130.0, 220.0, 40, 47, 1.7, 1.6), CUBE),
    "cone, offset": (ConeBeam(ANGLES, 130.0, 220.0, 40, 47, 1.7, 1.6, -1.7, 2.4), CUBE),
    "cone, unequal voxels": (ConeBeam(ANGLES, 130.0, 220.0, 40, 47, 1.7, 1.6), Grid((18, 26, 28), (2.0, 1.3, 1.3))),
}
every_case = pytest.mark.parametrize("scan, grid", CASES.values(), ids=CASES)


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_radon", emulated_torch_radon.module())


def _phantom(scan: Geometry, grid: Grid) -> Blobs:
    return smooth(0.9 * grid.field_radius, scan.is_stack)


def _positive(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@every_case
def test_forward_is_ours(scan: Geometry, grid: Grid) -> None:
    library, own = make_operator(scan, grid, backend="torch-radon"), make_operator(scan, grid)
    assert library.backend == "torch-radon" and not library.matched
    x = _phantom(scan, grid).volume(grid)
    assert relative_error(library.forward(x), own.forward(x)) <= 1e-3
    rough = _positive(grid.shape)
    assert relative_error(library.forward(rough), own.forward(rough)) <= 1e-2


@every_case
def test_backward_is_nearly_the_transpose(scan: Geometry, grid: Grid) -> None:
    library, own = make_operator(scan, grid, backend="torch-radon"), make_operator(scan, grid)
    y = own.forward(_phantom(scan, grid).volume(grid))
    assert relative_error(library.adjoint(y), own.adjoint(y)) <= 3e-2
    x, rough = _positive(grid.shape), _positive(tuple(y.shape), 1)
    for a, b, bound in ((x, rough, 2e-2), (_phantom(scan, grid).volume(grid), y, 5e-3)):
        projected = (library.forward(a).double() * b.double()).sum()
        back = (a.double() * library.adjoint(b).double()).sum()
        assert float((projected - back).abs() / projected.abs()) <= bound


@every_case
def test_wrong_sense_would_be_seen(scan: Geometry, grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    x = _phantom(scan, grid).volume(grid)
    right = make_operator(scan, grid).forward(x)
    monkeypatch.setattr(adapter, "_sense", lambda geometry, theta: theta + 0.5 * math.pi)
    assert relative_error(make_operator(scan, grid, backend="torch-radon").forward(x), right) > 0.05


def test_fbp_is_ours() -> None:
    scan, grid = CASES["fan"]
    y = make_operator(scan, grid).forward(_phantom(scan, grid).volume(grid))
    own, library = make_operator(scan, grid), make_operator(scan, grid, backend="torch-radon")
    assert torch.equal(library.fbp(y), own.fbp(y))


def test_more_views_than_a_call_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("parallel", "cone"):
        scan, grid = CASES[name]
        whole = make_operator(scan, grid, backend="torch-radon")
        x = _phantom(scan, grid).volume(grid)
        y = whole.forward(x)
        back = whole.adjoint(y)
        with monkeypatch.context() as patch:
            patch.setattr(adapter, "VIEWS_PER_CALL", 3)
            patch.setattr(adapter, "SLICES_PER_CALL", 2)
            parts = make_operator(scan, grid, backend="torch-radon")
            assert torch.allclose(parts.forward(x), y, atol=1e-6)
            assert torch.allclose(parts.adjoint(y), back, atol=1e-4)


def test_what_it_cannot_do_is_refused_by_name() -> None:
    scan, grid = CASES["fan"]
    assert isinstance(scan, FanBeam)
    refused = [
        (replace(scan, curved=True), grid, "curved"),
        (scan, replace(grid, spacing=(1.0, 1.0, 1.1)), "grid spacing"),
        (scan, replace(grid, centre=(1.0, 0.0, 0.0)), "grid centre"),
        (replace(scan, column_offset=0.5), grid, "column_offset"),
        (replace(scan, source_to_detector=125.0), grid, "source_to_detector"),
    ]
    for geometry, where, field in refused:
        with pytest.raises(ValueError, match=field):
            make_operator(geometry, where, backend="torch-radon")


def test_the_original_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_radon", types.ModuleType("torch_radon"))
    with pytest.raises(ValueError, match="only the carterbox fork"):
        make_operator(*CASES["parallel"], backend="torch-radon")


def test_import_survives_a_python_without_tkinter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork imports a name from `turtle`; a stand-in must be there during the import and gone afterwards."""
    monkeypatch.delitem(sys.modules, "turtle", raising=False)
    monkeypatch.setattr(adapter, "find_spec", lambda name: None if name == "_tkinter" else object())
    seen = []

    def import_module(name: str) -> types.ModuleType:
        seen.append(hasattr(sys.modules.get("turtle"), "width"))
        return emulated_torch_radon.module()

    monkeypatch.setattr(adapter.importlib, "import_module", import_module)
    adapter.load_torch_radon()
    assert seen == [True] and "turtle" not in sys.modules


def test_angles_are_wrapped() -> None:
    for angle in (-7.0, -math.pi, 0.0, 3.0, 3.2, 6.2, 9.0):
        wrapped = adapter._wrapped(angle)
        assert abs(wrapped) <= math.pi and math.cos(wrapped) == pytest.approx(math.cos(angle))
        assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-12)
