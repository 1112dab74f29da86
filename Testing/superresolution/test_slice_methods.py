"""The classical methods: alignment, exactness, and that variation decreases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.methods.registry import SUPERRESOLUTION, method_named, methods
from ctdiffusion.operators.slice_average import Profile, SliceAverage
from ctdiffusion.solvers.gradient import gradient
from ctdiffusion.superresolution.interpolation import consistent_spline, interpolation_matrix
from ctdiffusion.superresolution.stack import ThickStack
from superresolution.stacks import stack


def run(name: str, problem: ThickStack, **values: object) -> torch.Tensor:
    method = method_named(name, SUPERRESOLUTION)
    return method.run(problem, from_mapping(method.parameters, values, "test"))


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("factor", [2, 5, 8])
def test_a_slope_stays_where_it_is(order: int, factor: int) -> None:
    """A shift by half a slice, the classical mistake, would show as an offset."""
    thick = 15
    matrix = interpolation_matrix(thick, factor, order)
    thin = (matrix @ torch.arange(thick, dtype=torch.float64)).numpy()
    true = (np.arange(thick * factor) + 0.5) / factor - 0.5
    inside = slice(5 * factor, -5 * factor)
    assert np.abs(thin - true)[inside].max() < (1e-9 if order == 1 else 2e-2)
    assert torch.allclose(matrix.sum(1), torch.ones(thick * factor, dtype=torch.float64))


@pytest.mark.parametrize("thick", [1, 2, 7])
@pytest.mark.parametrize("profile", [None, Profile("gaussian", 4.7)])
def test_the_consistent_spline_reproduces_the_thick_slices(thick: int, profile: Profile | None) -> None:
    operator = SliceAverage(5 * thick, 5, profile)
    product = operator.matrix() @ consistent_spline(operator)
    assert torch.allclose(product, torch.eye(thick, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("thick", [4, 13, 20])
@pytest.mark.parametrize("width", [1.0, 1.5, 2.0, 2.02, 2.5, 3.0])
def test_the_consistent_spline_is_bounded_where_slices_overlap(thick: int, width: float) -> None:
    """U (A U)^-1 alone made noise a thousand times stronger than the profile does."""
    try:
        operator = SliceAverage(4 * thick, 4, Profile("trapezoid", 4 * width))
    except ValueError:
        return
    W = consistent_spline(operator)
    assert float(torch.linalg.matrix_norm(W, 2)) < 5 * operator.noise_gain * 2
    assert torch.allclose(operator.matrix() @ W, torch.eye(thick, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("thick", [2, 3, 7])
@pytest.mark.parametrize(
    ("name", "values", "exact"),
    [
        ("linear", {}, False),
        ("linear", {"consistent": True}, True),
        ("bspline", {}, False),
        ("bspline", {"consistent": True}, True),
        ("tv", {"iterations": 8}, True),
    ],
)
def test_who_reproduces_the_thick_slices(thick: int, name: str, values: dict[str, object], exact: bool) -> None:
    problem = stack(None, thick)
    x = run(name, problem, **values)
    assert x.shape == (4 * thick, 10, 12)
    error = float((problem.operator.forward(x) - problem.thick).abs().max())
    assert (error < 1e-5) == exact


def test_tv_has_less_variation_than_the_spline_it_starts_from() -> None:
    problem = stack(None, 4)

    def variation(x: torch.Tensor) -> float:
        return float(gradient(x, (1.0, 1.0, 1.0), True).square().sum(0).sqrt().sum())

    spline = variation(run("bspline", problem, consistent=True))
    short, long, longer = (variation(run("tv", problem, iterations=n)) for n in (3, 100, 200))
    assert long < short < spline
    assert long < 0.97 * spline
    assert longer == pytest.approx(long, rel=0.01), "it converges"


def test_tv_keeps_an_edge_between_slices_sharp() -> None:
    """A step at a thick-slice border is its own solution of least variation."""
    truth = torch.zeros((12, 10, 12))
    truth[4:, 3:8, 3:9] = 0.7
    operator = SliceAverage(12, 4)
    base = stack(None)
    problem = ThickStack(operator.forward(truth), operator, base.spacing, 1000.0, base.noise, base.monitor)
    error = {name: float((run(name, problem, **v) - truth).abs().mean()) for name, v in (("tv", {}), ("linear", {}))}
    assert error["tv"] < 0.3 * error["linear"]


def test_every_method_is_registered_with_its_words() -> None:
    assert set(methods(SUPERRESOLUTION)) == {"linear", "bspline", "tv", "zsr"}
    for name, method in methods(SUPERRESOLUTION).items():
        assert method.name == name
        assert method.title and method.summary and method.source
        for values in method.presets.values():
            from_mapping(method.parameters, values, name)
    with pytest.raises(ValueError, match="known: bspline, linear, tv, zsr"):
        method_named("cubic", SUPERRESOLUTION)
