from __future__ import annotations

import pytest
import torch
from ctdiffusion.solvers.gradient import gradient, gradient_transpose

SPACING = (5.0, 2.0, 0.5)


@pytest.mark.parametrize("along_z", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 4, 4), (2, 1, 1)])
def test_the_transpose_is_exact(along_z: bool, shape: tuple[int, int, int]) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=random, dtype=torch.float64)
    p = torch.randn((3 if along_z else 2, *shape), generator=random, dtype=torch.float64)
    left = (gradient(x, SPACING, along_z) * p).sum()
    right = (x * gradient_transpose(p, SPACING)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


def test_a_ramp_has_its_slope_in_mm() -> None:
    z, y, x = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), torch.arange(6.0), indexing="ij")
    g = gradient(3.0 * 5.0 * z + 2.0 * 2.0 * y - 0.5 * x, SPACING, True)
    torch.testing.assert_close(g[0, :, :-1], torch.full((4, 4, 6), 2.0))
    torch.testing.assert_close(g[1, :, :, :-1], torch.full((4, 5, 5), -1.0))
    torch.testing.assert_close(g[2, :-1], torch.full((3, 5, 6), 3.0))
    assert g[0, :, -1].abs().max() == g[1, :, :, -1].abs().max() == g[2, -1].abs().max() == 0.0
