"""Line integrals do not depend on the unit of counts; counts that wrapped are refused or told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.acquisition.measured.countrange import refuse_wrapped, wrapped_somewhere
from ctdiffusion.acquisition.measured.counts import from_counts, from_transmission
from ctdiffusion.acquisition.measured.read import read_projections

VIEWS, ROWS, COLUMNS = 60, 2, 120
U = (np.arange(COLUMNS) - 59.5) * 2.0
LINE = 2 * 0.0193 * np.sqrt(np.maximum(80.0**2 - U**2, 0.0))


def scan(air: float, frames: int = 3, dark: float = 100.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy counts of a water disc, flats and darks, as numbers without a limit."""
    random = np.random.default_rng(0)
    shape = (VIEWS, ROWS, COLUMNS)
    counts = random.poisson(np.broadcast_to(air * np.exp(-LINE), shape)) + dark
    flat = random.poisson(air, (frames, ROWS, COLUMNS)) + dark
    return counts.round(), flat.astype(float), np.full((frames, ROWS, COLUMNS), dark)


@pytest.mark.parametrize("unit", [1.0, 1e-4, 1 / 65535, 37.0, 1e6])
@pytest.mark.parametrize("frames", [3, 20])
def test_the_unit_of_the_counts_changes_nothing(unit: float, frames: int) -> None:
    counts, flat, dark = scan(40_000.0, frames)
    plain = from_counts(counts, flat, dark)
    lines = from_counts(counts * unit, flat * unit, dark * unit)
    np.testing.assert_allclose(lines.values, plain.values, rtol=1e-9, atol=1e-9)
    assert not any("zero or negative" in w or "one photon" in w for w in lines.warnings)
    if frames == 20:
        # The gain is known from the flats, whatever they are measured in.
        np.testing.assert_allclose(lines.variance, plain.variance, rtol=1e-6)


def test_normalised_counts_have_the_line_integrals_of_their_object() -> None:
    data = np.tile(np.exp(-LINE), (90, 2, 1)).astype(np.float32)
    lines = from_counts(data, np.ones((3, 2, COLUMNS)), np.zeros((3, 2, COLUMNS)))
    np.testing.assert_allclose(lines.values, np.broadcast_to(LINE, data.shape), atol=1e-5)
    assert lines.variance is not None and float(lines.variance.max()) < 1e-3
    assert lines.warnings == (
        "photons_per_count is not known and the counts are fractions, 100,000 photons in the open beam were assumed: "
        "the noise level is a guess",
    )


def test_readings_below_a_photon_are_called_so_and_too_many_are_refused() -> None:
    data = np.tile(np.exp(-LINE), (30, 2, 1))
    data[3, 0, 10], data[4, 0, 10] = 0.0, 1e-7
    told = from_counts(data, np.ones((3, 2, COLUMNS)), np.zeros((3, 2, COLUMNS))).warnings
    assert any("zero or negative" in w for w in told)
    assert any("less than one photon, and count as one" in w for w in told)
    with pytest.raises(ValueError, match=r"100 % of the readings are less than one photon.*photons_per_count"):
        from_counts(data, np.ones((3, 2, COLUMNS)), np.zeros((3, 2, COLUMNS)), photons_per_count=1e-3)


def test_fractions_scaled_by_the_user_keep_the_gain_that_is_given() -> None:
    counts, flat, dark = scan(40_000.0)
    lines = from_counts(counts / 40_000, flat / 40_000, dark / 40_000, photons_per_count=40_000.0)
    np.testing.assert_allclose(lines.variance, from_counts(counts, flat, dark, photons_per_count=1.0).variance)


@pytest.mark.parametrize("air", [34_000.0, 50_000.0, 64_000.0])
@pytest.mark.parametrize("stored", [np.int16, np.int32, np.float32])
def test_unsigned_counts_read_as_signed_are_refused(air: float, stored: type) -> None:
    counts, flat, dark = scan(air)
    wrapped = counts.astype(np.uint16).view(np.int16).astype(stored)
    with pytest.raises(ValueError, match=r"counts: .*lie below the dark, down to -\d+: 16-bit counts read as signed"):
        refuse_wrapped(wrapped, flat, dark)
    signed_flat = flat.astype(np.uint16).view(np.int16).astype(float)
    with pytest.raises(ValueError, match="read as signed"):
        refuse_wrapped(wrapped, signed_flat, dark)


@pytest.mark.parametrize("air", [70_000.0, 90_000.0, 130_000.0])
def test_sums_beyond_sixteen_bits_are_refused(air: float) -> None:
    counts, flat, dark = scan(air)
    wrapped = (counts.astype(np.int64) % 65536).astype(np.uint16)
    with pytest.raises(ValueError, match="wrapped or were cut off"):
        refuse_wrapped(wrapped, flat, dark)
    with pytest.raises(ValueError, match="wrapped or were cut off"):
        refuse_wrapped(np.r_[wrapped.astype(float), np.full((1, ROWS, COLUMNS), 65_530.0)], flat, dark)
    if air < 100_000.0:
        with pytest.raises(ValueError, match="times the open beam"):
            refuse_wrapped(wrapped, (flat.astype(np.int64) % 65536).astype(float), dark)


def test_a_flat_that_wrapped_in_some_pixels_is_refused() -> None:
    counts, flat, dark = scan(50_000.0)
    heel = flat * np.linspace(0.9, 1.5, COLUMNS)
    with pytest.raises(ValueError, match=r"flat: .* nothing of the open beam|times the open beam"):
        refuse_wrapped(counts, heel % 65536, dark)


def test_readings_across_the_end_of_the_range_are_told(tmp_path: Path) -> None:
    counts, flat, _ = scan(60_000.0, dark=0.0)
    counts[::3, 0, 5], counts[::3, 0, 6] = 65_000, 65_700
    stored = (counts.astype(np.int64) % 65536).astype(np.uint16)
    assert "jump from one end of the 16-bit range to the other" in (wrapped_somewhere(stored) or "")
    np.savez(tmp_path / "scan.npz", data=stored, flat=flat)
    geometry = {
        "format": "ctdiffusion-projections", "version": 1, "file": "scan.npz", "data": "data", "flat": "flat",
        "axes": ["view", "slice", "column"], "values": "counts", "angles": {"step": 6, "count": VIEWS, "unit": "deg"},
        "geometry": {"kind": "parallel"},
    }  # fmt: skip
    (tmp_path / "scan.json").write_text(json.dumps(geometry))
    assert any("jump from one end" in w for w in read_projections(tmp_path / "scan.json").warnings)


@pytest.mark.parametrize("air", [20.0, 3000.0, 30_000.0, 60_000.0])
def test_good_counts_are_left_alone(air: float) -> None:
    counts, flat, dark = scan(air)
    refuse_wrapped(counts.clip(0, 65535).astype(np.uint16), flat, dark)
    random = np.random.default_rng(1)
    noisy = counts + random.normal(0, 0.05 * air, counts.shape) - dark[0]
    refuse_wrapped(noisy, flat - dark, 0.0 * dark)
    metal = counts.copy()
    metal[:, :, 50:60] = 120.0
    stored = metal.clip(0, 65535).astype(np.uint16)
    refuse_wrapped(stored, flat, dark)
    assert wrapped_somewhere(stored) is None
    saturated = np.where(counts > 0.9 * air, 65535, 300).astype(np.uint16)
    assert wrapped_somewhere(saturated) is None


def test_transmission_brighter_than_air_is_refused() -> None:
    data = 100.0 * np.tile(np.exp(-LINE), (30, 2, 1))
    with pytest.raises(ValueError, match=r"transmission up to 100, where 1 is air"):
        from_transmission(data, None)


def test_negative_logarithms_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "scan.npz", data=-np.tile(LINE, (VIEWS, 1)))
    geometry = {
        "format": "ctdiffusion-projections", "version": 1, "file": "scan.npz", "data": "data",
        "axes": ["view", "column"], "values": "line-integrals", "angles": {"step": 6, "count": VIEWS, "unit": "deg"},
        "geometry": {"kind": "parallel"},
    }  # fmt: skip
    (tmp_path / "scan.json").write_text(json.dumps(geometry))
    with pytest.raises(ValueError, match=r"down to -3\.\d+ cannot be: ln\(I / I0\) \(scale = -1\)"):
        read_projections(tmp_path / "scan.json")
    (tmp_path / "scan.json").write_text(json.dumps(geometry | {"scale": -1}))
    assert float(read_projections(tmp_path / "scan.json").projections.data.max()) > 3.0
