"""The residual finds a shifted centre in simulated scans, half-fan ones too, and is silent where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ctdiffusion.acquisition.measured import consistency
from ctdiffusion.acquisition.measured.consistency import check_consistency
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.acquisition.simulate import simulate
from ctdiffusion.images.volume import Volume
from ctdiffusion.scan.beams import FanBeam, Geometry, ParallelBeam, equispaced
from ctdiffusion.scan.projections import Projections

ANGLES = equispaced(60)
GEOMETRIES = {
    "parallel": ParallelBeam(equispaced(60, np.pi), 110, 1.0),
    "fan": FanBeam(ANGLES, 200.0, 300.0, 120, 1.5),
    "half fan": FanBeam(ANGLES, 200.0, 300.0, 80, 1.5, 30.0),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(consistency, "SIDE", 96)


def scan(geometry: Geometry) -> Projections:
    c = np.arange(72) - 35.5
    y, x = np.meshgrid(c, c, indexing="ij")
    hu = np.where(x**2 / 30**2 + y**2 / 22**2 < 1, 0.0, -1000.0)
    hu[(x - 12) ** 2 + (y - 5) ** 2 < 36] = 800.0
    hu[(x + 14) ** 2 + (y + 3) ** 2 < 49] = -800.0
    return simulate(Volume(hu[None], (1.0, 1.0, 1.0)), geometry, SimulationSettings(), 0)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_right_geometry_is_left_alone_and_a_shift_is_measured(name):
    projections = scan(GEOMETRIES[name])
    beam = projections.geometry
    right = check_consistency(projections)
    assert right.warnings == () and right.residual < 0.03
    moved = replace(beam, column_offset=beam.column_offset + 1.5 * beam.column_spacing)
    wrong = check_consistency(replace(projections, geometry=moved))
    assert "rotation centre" in wrong.warnings[0]
    assert wrong.centre_shift == pytest.approx(-1.5, abs=0.5)


def test_the_wrong_sense_of_a_fan_is_found():
    projections = scan(GEOMETRIES["fan"])
    negated = replace(projections.geometry, angles=tuple(-a for a in projections.geometry.angles))
    found = check_consistency(replace(projections, geometry=negated))
    assert "rotation sense" in found.warnings[0]
    assert found.reversed_residual < 0.6 * found.residual


def test_no_signal_raises_no_alarm():
    projections = scan(GEOMETRIES["fan"])
    assert check_consistency(replace(projections, data=0 * projections.data)).warnings == ()


@pytest.mark.parametrize("columns", [6.0, -10.0])
def test_a_centre_far_off_is_measured_and_told_in_the_files_words(columns):
    projections = scan(GEOMETRIES["parallel"])
    beam = projections.geometry
    moved = replace(beam, column_offset=beam.column_offset + columns * beam.column_spacing)
    found = check_consistency(replace(projections, geometry=moved))
    assert found.centre_shift == pytest.approx(-columns, abs=0.5)
    assert f"looks wrong by {abs(found.centre_shift):.1f} columns" in found.warnings[0]
    assert f"column_offset_mm changed by {-columns:+.0f}"[:-1] in found.warnings[0]
    assert f"rotation_centre_column by {found.centre_shift * -1:+.1f}" in found.warnings[0]
