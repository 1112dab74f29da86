"""Counts to line integrals: right, safe, and with the variance that repeated scans would show."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ctdiffusion.acquisition.measured.counts import bridged, from_counts, from_transmission

ROWS, COLUMNS = 4, 50


def scan(views: int = 40, gain: float = 4.0, electronic: float = 12.0, flats: int = 20, seed: int = 0):
    """Counts of a detector that gives one count per `gain` photons, its flat and dark frames, and the truth."""
    random = np.random.default_rng(seed)
    truth = np.broadcast_to(np.linspace(0, 5, COLUMNS), (views, ROWS, COLUMNS))
    air = 40_000.0 * random.uniform(0.8, 1.2, (ROWS, COLUMNS))

    def read(mean: np.ndarray) -> np.ndarray:
        return (random.poisson(mean) + random.normal(0, electronic, mean.shape)) / gain + 100.0

    flat = read(np.broadcast_to(air, (flats, ROWS, COLUMNS)))
    dark = read(np.zeros((20, ROWS, COLUMNS)))
    return read(air * np.exp(-truth)), flat, dark, truth


def test_line_integrals_and_variance_agree_with_the_truth():
    counts, flat, dark, truth = scan(views=400)
    lines = from_counts(counts, flat, dark, photons_per_count=4.0)
    error = lines.values - truth
    assert abs(error.mean()) < 2e-3
    assert lines.warnings == ()
    assert (error**2 / lines.variance).mean() == pytest.approx(1.0, abs=0.05)
    # Per column, from the brightest to the darkest by a factor of 150 in intensity.
    ratio = (error**2).mean((0, 1)) / lines.variance.mean((0, 1))
    assert ratio.min() > 0.6 and ratio.max() < 1.5


def test_the_gain_is_found_from_the_flat_frames():
    counts, flat, dark, truth = scan(views=50, flats=40)
    lines = from_counts(counts, flat * np.linspace(0.98, 1.02, 40)[:, None, None], dark)
    assert lines.warnings == ()
    assert ((lines.values - truth) ** 2 / lines.variance).mean() == pytest.approx(1.0, abs=0.15)


def test_an_unknown_gain_is_told():
    counts, flat, dark, _ = scan(flats=2)
    assert "photons_per_count is not known" in from_counts(counts, flat, dark).warnings[0]


def test_dead_hot_and_stuck_pixels_have_no_weight_and_are_bridged():
    counts, flat, dark, truth = scan()
    counts[:, 1, 10], flat[:, 1, 10], dark[:, 1, 10] = 100, 100, 100
    dark[:, 2, 20] = flat[:, 2, 20] = counts[:, 2, 20] = 30_000
    counts[:, 3, 30] = 5000
    lines = from_counts(counts, flat, dark, photons_per_count=4.0)
    dead = np.isinf(lines.variance)
    assert dead[:, [1, 2, 3], [10, 20, 30]].all() and dead.sum() == 3 * len(counts)
    assert np.isfinite(lines.values).all()
    assert np.abs(lines.values - truth)[dead].max() < 0.3
    assert "3 of 200 detector pixels are dead or hot" in lines.warnings[0]


def test_zero_and_negative_counts_stay_finite_and_weigh_little():
    counts, flat, dark, _ = scan()
    counts[:, 0, 5] -= 1e6
    counts[0, 1, 6] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lines = from_counts(counts, flat, dark, photons_per_count=4.0)
    assert np.isfinite(lines.values).all()
    assert lines.variance[0, 1, 6] > 50 * np.median(lines.variance)
    assert any("zero or negative" in w for w in lines.warnings)


def test_saturated_readings_have_no_weight():
    counts, flat, dark, _ = scan()
    whole = np.clip(counts, 0, 65535).astype(np.uint16)
    whole[3, 2, :4] = 65535
    lines = from_counts(whole, flat, dark, photons_per_count=4.0)
    assert np.isinf(lines.variance[3, 2, :4]).all() and np.isinf(lines.variance).sum() == 4
    assert "0.05 % of the readings are saturated" in lines.warnings[0]
    lines = from_counts(counts, flat, dark, photons_per_count=4.0, saturation=10_000.0)
    np.testing.assert_array_equal(np.isinf(lines.variance), counts >= 10_000.0)


def test_fields_that_do_not_fit_are_refused():
    counts, flat, dark, _ = scan()
    with pytest.raises(ValueError, match="exchanged"):
        from_counts(counts, dark, flat)
    with pytest.raises(ValueError, match="do not fit"):
        from_counts(counts, flat[:, :2], dark)


def test_transmission_is_safe():
    lines = from_transmission(np.array([[[1.0, 0.5, 0.0, -1.0]]]), 1e4)
    np.testing.assert_allclose(lines.values[0, 0], [0, np.log(2), np.log(1e4), np.log(1e4)], rtol=1e-12)
    np.testing.assert_allclose(lines.variance[0, 0], [1e-4, 2e-4, 1, 1])
    assert "50 % of the readings" in lines.warnings[0]
    with pytest.raises(ValueError, match="75 % of the readings are zero or negative: line integrals"):
        from_transmission(np.array([[[1.0, 0.0, 0.0, -1.0]]]), 1e4)


def test_a_line_without_a_living_pixel_is_air():
    holes = np.zeros((2, 5), bool)
    holes[0] = True
    values = bridged(np.ones((2, 5)), holes)
    assert (values[0] == 0).all() and (values[1] == 1).all()


def test_readings_that_are_not_finite_have_no_weight_and_are_bridged():
    counts, flat, dark, truth = scan()
    clean = from_counts(counts, flat, dark, photons_per_count=4.0)
    counts[3, 1, 10], counts[5, 2, 20], flat[2, 3, 30] = np.nan, np.inf, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lines = from_counts(counts, flat, dark, photons_per_count=4.0)
    unknown = np.isinf(lines.variance)
    assert unknown[3, 1, 10] and unknown[5, 2, 20] and unknown[:, 3, 30].all() and unknown.sum() == 2 + len(counts)
    assert np.isfinite(lines.values).all()
    assert np.abs(lines.values - truth)[unknown].max() < 0.3
    assert np.allclose(lines.values[~unknown], clean.values[~unknown])
    assert any("2 readings are not finite" in text for text in lines.warnings)
    counts[:8] = np.nan
    with pytest.raises(ValueError, match="20 % of the readings are not finite"):
        from_counts(counts, flat, dark)


def test_counts_without_noise_are_no_broken_detector():
    """A centred disc gives every pixel the same count in all views."""
    counts, flat, dark, _ = scan()
    steady = np.broadcast_to(counts.mean(0).round(), counts.shape).astype(np.int32)
    lines = from_counts(steady, flat, dark, photons_per_count=4.0)
    assert np.isfinite(lines.variance).all()
    counts[:, 3, 30] = 5000
    few = from_counts(counts[:5], flat, dark, photons_per_count=4.0)
    assert np.isfinite(few.variance).all(), "too few views to say"


def test_a_detector_that_is_broken_throughout_is_refused():
    counts, flat, dark, _ = scan()
    flat[:, :, : flat.shape[2] * 2 // 3] = dark.mean()
    with pytest.raises(ValueError, match=r"of the detector pixels are dead or hot: do flat and dark belong to it"):
        from_counts(counts, flat, dark)
