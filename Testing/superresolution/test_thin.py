"""Thin slices lie between the thick ones, whatever the direction; simulated thick slices lie among the thin ones."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.volume import Volume
from ctdiffusion.operators.slice_average import SliceAverage
from ctdiffusion.superresolution.thin import automatic_factor, cropped, thick_volume, thin_volume
from superresolution.stacks import OBLIQUE, head


def image(volume: Volume) -> sitk.Image:
    out = sitk.GetImageFromArray(volume.array)
    out.SetSpacing(volume.spacing)
    out.SetOrigin(volume.origin)
    out.SetDirection(volume.direction)
    return out


@pytest.mark.parametrize("factor", [2, 3, 5, 8])
@pytest.mark.parametrize("slices", [2, 7])
def test_thick_slice_centres_fall_on_the_middle_of_their_thin_slices(factor: int, slices: int) -> None:
    thick = Volume(np.zeros((slices, 4, 3), np.float32), (0.9, 1.2, 6.5), (10.0, -20.0, 30.0), OBLIQUE)
    thin = thin_volume(thick, factor, np.zeros((slices * factor, 4, 3), np.float32))
    assert thin.spacing == pytest.approx((0.9, 1.2, 6.5 / factor))
    for k in range(slices):
        point = image(thick).TransformIndexToPhysicalPoint((2, 1, k))
        found = image(thin).TransformPhysicalPointToContinuousIndex(point)
        assert found == pytest.approx((2, 1, k * factor + (factor - 1) / 2), abs=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_thickening_and_thinning_come_back_to_the_same_grid(factor: int) -> None:
    thin = head(12)
    thick = thick_volume(thin, SliceAverage(12, factor))
    back = thin_volume(thick, factor, thin.array)
    assert back.spacing == pytest.approx(thin.spacing)
    assert back.origin == pytest.approx(thin.origin, abs=1e-9)
    assert back.direction == thin.direction
    assert np.allclose(thick.array[0], thin.array[:factor].mean(0), atol=1e-3)


def test_thin_slices_must_fill_the_thick_ones() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        thin_volume(head(4), 3, np.zeros((11, 16, 14), np.float32))


@pytest.mark.parametrize(
    ("spacing", "factor", "warned"),
    [
        ((1.0, 1.0, 5.0), 5, False),
        ((0.78125, 0.78125, 6.5), 8, False),
        ((0.5, 2.0, 4.2), 4, False),
        ((1.0, 1.0, 1.0), 2, True),
        ((0.4, 0.4, 8.0), 8, True),
    ],
)
def test_the_automatic_factor_makes_voxels_nearly_cubic(spacing, factor: int, warned: bool) -> None:
    found, warnings = automatic_factor(Volume(np.zeros((3, 4, 4), np.float32), spacing))
    assert found == factor
    assert bool(warnings) == warned


def test_a_factor_that_does_not_divide_crops_and_says_so() -> None:
    thin, warnings = cropped(head(13), 3)
    assert thin.array.shape[0] == 12
    assert thin.origin == head(13).origin
    assert len(warnings) == 1
    assert "factor 3 does not divide the 13 slices: the last 1 are left out" in warnings[0]
    assert cropped(head(12), 3)[1] == ()
    with pytest.raises(ValueError, match="factor: 7 thin slices do not make two thick ones of 4"):
        cropped(head(7), 4)
