from __future__ import annotations

import pytest
import torch
from ctdiffusion.solvers.noise_level import noise_level


def sinogram(sigma: float) -> torch.Tensor:
    """Two slices of a smooth object with edges, in wide air."""
    s = torch.linspace(-2.0, 2.0, 300)
    disc = 6.0 * (1.0 - s**2).clamp(min=0.0).sqrt()
    disc = disc + 1.0 * (s.abs() < 0.3)
    y = disc.expand(2, 20, 300).clone()
    return y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sigma", [0.01, 0.1])
def test_it_finds_the_noise_behind_the_object(sigma: float) -> None:
    y = sinogram(sigma)
    # In air the detector is quieter: that must not be mistaken for the noise.
    y[:, :, :70] *= 0.01
    y[:, :, -70:] *= 0.01
    level = noise_level(y, 1)
    assert level.shape == (2, 1, 1)
    torch.testing.assert_close(level.flatten(), torch.full((2,), sigma), rtol=0.2, atol=0.0)


def test_clean_data_have_next_to_none_and_scale_with_the_data() -> None:
    assert noise_level(sinogram(0.0), 1).max() < 1e-3
    torch.testing.assert_close(noise_level(4.0 * sinogram(0.02), 1), 4.0 * noise_level(sinogram(0.02), 1))


def test_a_volume_has_one_level_and_narrow_or_empty_data_none() -> None:
    assert noise_level(sinogram(0.02), 0).shape == (1, 1, 1)
    assert noise_level(torch.ones(3, 5, 4), 1).flatten().tolist() == [0.0, 0.0, 0.0]
    assert noise_level(torch.zeros(1, 5, 9), 1).item() == 0.0
