"""Cuts must show the patient the right way round, whatever the storage order."""

from __future__ import annotations

import numpy as np
import pytest
from ctdiffusion.studies.report.planes import cuts

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHAPE = (6, 10, 8)
SPACING = (2.0, 1.0, 5.0)


def patient() -> np.ndarray:
    """A value that tells where in the patient a voxel lies: 100 z + 10 y + x, in voxels (LPS)."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return (100 * z + 10 * y + x).astype(np.float32)


def test_sizes_in_mm_and_orientation() -> None:
    planes = cuts(patient(), SPACING)
    assert {n: (p.width, p.height) for n, p in planes.items()} == {
        "axial": (16.0, 10.0),
        "coronal": (16.0, 30.0),
        "sagittal": (10.0, 30.0),
    }
    assert planes["axial"].image[0, 0] == 300, "right anterior corner of slice 3 at the upper left"
    assert planes["coronal"].image[0, 0] == 550, "head up, right on the left"
    assert planes["sagittal"].image[0, 0] == 504, "head up, front on the left"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1), (1, 1, -1)])
def test_storage_order_does_not_matter(order: tuple[int, int, int], signs: tuple[int, int, int]) -> None:
    """`order[k]` is the patient axis along which index axis k runs."""
    matrix = np.zeros((3, 3))
    for index, (world, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[world, index] = sign
    stored = np.transpose(patient(), [2 - order[2 - axis] for axis in range(3)])
    stored = np.flip(stored, [axis for axis in range(3) if signs[2 - axis] < 0])
    spacing = tuple(SPACING[order[k]] for k in range(3))
    expected = cuts(patient(), SPACING, IDENTITY)
    found = cuts(np.ascontiguousarray(stored), spacing, tuple(matrix.ravel()))
    for name, plane in expected.items():
        np.testing.assert_array_equal(found[name].image, plane.image)
        assert (found[name].width, found[name].height) == (plane.width, plane.height)


def test_oblique_volume_is_shown_along_its_own_axes() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    planes = cuts(patient(), SPACING, (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0))
    np.testing.assert_array_equal(planes["axial"].image, patient()[3])
