"""The choice of a back end, and refusals."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from ctdiffusion.operators import cone_cuda, factory, joseph
from ctdiffusion.operators.compiled import has_numba
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.operators.rays import rays_of
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Grid, ParallelBeam, equispaced
from operators.catalogue import GEOMETRIES
from scipy.sparse import csr_matrix

GRID = Grid((4, 16, 18), (1.0, 1.0, 1.0))
PARALLEL = ParallelBeam(equispaced(6), 25, 1.0)
CONE = ConeBeam(equispaced(6), 60.0, 100.0, 12, 30, 1.5, 1.5)


def test_cone_back_ends_are_not_for_slices_and_the_other_way_round() -> None:
    with pytest.raises(ValueError, match="backend: 'cone' does not project parallel beams"):
        make_operator(PARALLEL, GRID, backend="cone")
    with pytest.raises(ValueError, match="backend: 'csr' does not project cone beams"):
        make_operator(CONE, GRID, backend="csr")
    with pytest.raises(ValueError, match=r"backend: 'astra' .*known: auto, csr"):
        make_operator(PARALLEL, GRID, backend="astra")


def test_source_inside_the_volume_is_refused() -> None:
    inside = FanBeam(equispaced(6), 10.0, 40.0, 30, 1.0)
    with pytest.raises(ValueError, match="puts the source inside the volume"):
        make_operator(inside, GRID)


def test_without_numba_torch_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(0))
    usual = make_operator(PARALLEL, GRID).forward(x), make_operator(CONE, GRID).forward(x)
    for module in (factory, joseph):
        monkeypatch.setattr(module, "has_numba", lambda: False)
    stack, cone = make_operator(PARALLEL, GRID), make_operator(CONE, GRID)
    assert stack.backend == cone.backend == "torch"
    assert torch.allclose(stack.forward(x), usual[0], rtol=1e-5, atol=1e-5)
    assert torch.allclose(cone.forward(x), usual[1], rtol=1e-5, atol=1e-4)
    for geometry, name in ((PARALLEL, "csr"), (PARALLEL, "matrixfree"), (CONE, "cone")):
        with pytest.raises(ValueError, match=f"backend: '{name}' needs numba"):
            make_operator(geometry, GRID, backend=name)


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cone_cuda, "has_diffct", lambda: False)
    with pytest.raises(ValueError, match="needs diffct, which is not installed"):
        make_operator(CONE, GRID, backend="diffct")
    monkeypatch.delitem(sys.modules, "torch_radon", raising=False)
    with pytest.raises(ValueError, match="needs the library torch-radon"):
        make_operator(CONE, GRID, backend="torch-radon")


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@pytest.mark.parametrize("name", [n for n, (g, _) in GEOMETRIES.items() if g.is_stack])
def test_both_matrix_builders_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    geometry, grid = GEOMETRIES[name]
    assert not isinstance(geometry, ConeBeam)
    rays = rays_of(geometry)
    compiled, counted = joseph.joseph_matrices(rays, grid, np.float64), joseph.entries(rays, grid)
    monkeypatch.setattr(joseph, "has_numba", lambda: False)
    for one, other in zip(compiled, joseph.joseph_matrices(rays, grid, np.float64), strict=True):
        difference = csr_matrix((one.values, one.indices, one.indptr), one.shape) - csr_matrix(
            (other.values, other.indices, other.indptr), other.shape
        )
        assert abs(difference).max() < 1e-9
    assert counted == compiled[0].values.size
    # Rays along the grid lie on pixel borders, where rounding decides who gets a coefficient of zero.
    assert joseph.entries(rays, grid) == pytest.approx(counted, rel=1e-2)


def test_same_bits_again() -> None:
    x = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(0))
    for geometry in (PARALLEL, CONE):
        one, other = make_operator(geometry, GRID), make_operator(geometry, GRID)
        assert torch.equal(one.forward(x), other.forward(x))
        y = one.forward(x)
        assert torch.equal(one.adjoint(y), other.adjoint(y))
        assert torch.equal(one.fbp(y), other.fbp(y))


def test_without_numba_rays_may_all_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (factory, joseph):
        monkeypatch.setattr(module, "has_numba", lambda: False)
    operator = make_operator(ParallelBeam(equispaced(3), 4, 1.0, 500.0), GRID)
    assert not operator.forward(torch.ones(GRID.shape)).any()
