"""Otsu's threshold and the Matthews correlation against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from quality.correlation import matthews_correlation, otsu_threshold


def test_otsu_is_that_of_scikit_image():
    filters = pytest.importorskip("skimage.filters")
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(0, 1, 4000), random.normal(5, 2, 1500)]).astype(np.float32)
    assert otsu_threshold(values) == pytest.approx(filters.threshold_otsu(values), abs=1e-5)


@pytest.mark.parametrize("values", [np.ones(10), np.array([0.0, np.nan])])
def test_otsu_refuses_what_has_no_two_classes(values):
    with pytest.raises(ValueError, match="Otsu"):
        otsu_threshold(values)


def test_matthews_correlation_of_a_known_table():
    found = np.array([1] * 90 + [1] * 10 + [0] * 5 + [0] * 95, bool)
    truth = np.array([1] * 90 + [0] * 10 + [1] * 5 + [0] * 95, bool)
    assert matthews_correlation(found, truth) == pytest.approx((90 * 95 - 10 * 5) / np.sqrt(100 * 95 * 105 * 100))
    assert matthews_correlation(truth, truth) == 1.0
    assert matthews_correlation(~truth, truth) == -1.0
    assert matthews_correlation(np.zeros_like(truth), truth) == 0.0
    with pytest.raises(ValueError, match="shapes"):
        matthews_correlation(found[:5], truth)
