"""Roughness along z against a hand-made case."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ctdiffusion.images.volume import Volume
from ctdiffusion.quality.roughness import roughness_z


def volume(steps: list[float]) -> Volume:
    return Volume(np.tile(np.array(steps, np.float32)[:, None, None], (1, 8, 8)), (1.0, 1.0, 2.0))


def test_ratio_of_mean_steps() -> None:
    assert roughness_z(volume([0, 30, 0]), volume([0, 20, 40])) == pytest.approx(1.5)
    assert roughness_z(volume([0, 20, 40]), volume([0, 20, 40])) == 1.0


def test_what_lies_outside_window_and_field_of_view_does_not_count() -> None:
    spike = volume([0, 20, 40])
    spike.array[1, 0, 0] = 900.0
    assert roughness_z(spike, volume([0, 20, 40])) == 1.0
    assert roughness_z(volume([1000, 3000]), volume([0, 1000])) == 0.0


def test_no_ratio_without_steps() -> None:
    assert math.isnan(roughness_z(volume([5]), volume([5])))
    assert math.isnan(roughness_z(volume([1, 2]), volume([5, 5])))
    with pytest.raises(ValueError, match="shape"):
        roughness_z(volume([1, 2]), volume([1, 2, 3]))
