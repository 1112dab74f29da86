"""Simulated scans: the physics of counting, the noise's keys, and no inverse crime unless it is asked for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ctdiffusion.acquisition import simulate as simulation
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.acquisition.simulate import refine, simulate
from ctdiffusion.core.schema import from_mapping
from ctdiffusion.core.units import MU_WATER, AttenuationScale
from ctdiffusion.images.volume import Volume
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.scan.beams import FanBeam, Geometry, equispaced
from ctdiffusion.scan.machines import default_geometry

QUIET = SimulationSettings(noise=False)


def body(slices: int = 4, size: int = 40, spacing: float = 4.0) -> Volume:
    """A water cylinder with a bone off its axis, in air."""
    c = (np.arange(size) - (size - 1) / 2) * spacing
    y, x = np.meshgrid(c, c, indexing="ij")
    radius = 0.4 * size * spacing
    hu = np.where(x**2 + y**2 < radius**2, 0.0, -1000.0)
    hu[(x - 0.4 * radius) ** 2 + (y + 0.2 * radius) ** 2 < (0.2 * radius) ** 2] = 900.0
    return Volume(np.repeat(hu[None], slices, 0), (spacing, spacing, 3.0))


def scan(volume: Volume, kind: str = "fan", views: int = 6) -> Geometry:
    return default_geometry(kind, equispaced(views), volume.grid)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_refinement_keeps_the_mean_of_every_voxel(factor):
    # Never near zero, so that nothing is cut to air.
    mu = torch.from_numpy(np.random.default_rng(0).uniform(0.9, 1.1, (2, 15, 18)).astype(np.float32))
    fine = refine(mu, factor)
    assert fine.shape == (2, 15 * factor, 18 * factor)
    means = torch.nn.functional.avg_pool2d(fine[:, None], factor)[:, 0]
    assert float((means - mu).abs().max()) < 1e-5
    assert float((fine - mu.repeat_interleave(factor, 1).repeat_interleave(factor, 2)).abs().max()) > 0.01


def test_refinement_never_goes_below_air():
    assert float(refine(torch.from_numpy(body().array + 1000) * MU_WATER / 1000, 2).min()) == 0.0


def test_a_disc_of_water_has_its_chords_in_millimetres():
    size, spacing = 128, 1.0
    c = (np.arange(size * 4) - (size * 4 - 1) / 2) * spacing / 4
    sharp = np.where(c[:, None] ** 2 + c**2 < 50.0**2, 0.0, -1000.0)
    volume = Volume(sharp.reshape(size, 4, size, 4).mean((1, 3))[None], (spacing, spacing, 1.0))
    geometry = scan(volume, "parallel", 3)
    s = np.asarray(geometry.column_positions())
    chord = MU_WATER * 2 * np.sqrt(np.maximum(50.0**2 - s**2, 0))
    data = simulate(volume, geometry, QUIET, 0).data[0].numpy()
    inside = np.abs(s) < 48
    assert np.abs(data[:, inside] - chord[inside]).max() < 0.01 * chord.max()
    assert data[:, np.abs(s) > 52].max() < 1e-3


@pytest.mark.parametrize("kind", ["parallel", "fan", "fan-curved"])
def test_the_finer_simulation_agrees_with_the_projector_but_is_not_it(kind):
    volume = body()
    geometry = scan(volume, kind)
    projections = simulate(volume, geometry, QUIET, 0)
    mu = AttenuationScale().to_mu(torch.from_numpy(volume.array)).clamp(min=0)
    same = make_operator(geometry, volume.grid).forward(mu)
    difference = float((projections.data - same).norm() / same.norm())
    assert 2e-3 < difference < 4e-2
    assert projections.simulated and projections.noise_free and projections.variance is None
    assert projections.notes == ()


def test_the_same_grid_case_is_the_projector_itself_and_says_so():
    volume = body()
    geometry = scan(volume)
    projections = simulate(volume, geometry, replace(QUIET, same_grid=True), 0)
    mu = AttenuationScale().to_mu(torch.from_numpy(volume.array)).clamp(min=0)
    torch.testing.assert_close(projections.data, make_operator(geometry, volume.grid).forward(mu), rtol=0, atol=0)
    assert "inverse crime" in projections.notes[0]
    assert "inverse crime" in simulate(volume, geometry, replace(QUIET, oversampling=1), 0).notes[0]


def test_detector_elements_average_intensity_not_line_integrals():
    fine = torch.tensor([[[0.0, 4.0, 1.0, 1.0]]])
    got = simulation._binned(fine, (2,))
    assert got[0, 0, 0] == pytest.approx(-math.log((1 + math.exp(-4)) / 2), abs=1e-6)
    assert got[0, 0, 1] == pytest.approx(1.0, abs=1e-6)
    opaque = simulation._binned(torch.full((1, 1, 2), 500.0), (2,))
    assert float(opaque) == pytest.approx(500.0, rel=1e-6)
    cone = torch.rand(3, 4, 6)
    want = -torch.log(torch.exp(-cone).reshape(3, 2, 2, 3, 2).mean((2, 4)))
    torch.testing.assert_close(simulation._binned(cone, (2, 2)), want)


def test_noise_has_the_variance_it_claims_from_its_own_counts():
    volume = body(slices=64, size=24, spacing=8.0)
    geometry = scan(volume, "parallel", 3)
    clean = simulate(volume, geometry, QUIET, 0).data
    noisy = simulate(volume, geometry, SimulationSettings(photons=2e4, electronic=20.0), 7)
    assert not noisy.noise_free and noisy.variance is not None
    error = noisy.data - clean
    counts = 2e4 * torch.exp(-noisy.data)
    torch.testing.assert_close(noisy.variance, (counts + 400) / counts**2, rtol=1e-4, atol=0)
    # 64 slices of one object: chi-square of the residual against the claimed variance.
    chi2 = float((error**2 / noisy.variance).mean())
    assert chi2 == pytest.approx(1.0, abs=0.05)
    expected = (2e4 * torch.exp(-clean) + 400) / (2e4 * torch.exp(-clean)) ** 2
    assert float((error.var(0) / expected[0]).mean()) == pytest.approx(1.0, abs=0.05)


def test_electronic_noise_alone_can_be_turned_off():
    volume = body(slices=32, size=24, spacing=8.0)
    geometry = scan(volume, "parallel", 3)
    noisy = simulate(volume, geometry, SimulationSettings(photons=1e6, electronic=0.0), 7)
    torch.testing.assert_close(noisy.variance, torch.exp(noisy.data) / 1e6, rtol=1e-4, atol=0)


def test_starved_rays_stay_finite_and_are_told():
    volume = body(size=24, spacing=20.0)
    noisy = simulate(volume, scan(volume), SimulationSettings(photons=100.0, electronic=10.0), 1)
    assert torch.isfinite(noisy.data).all() and torch.isfinite(noisy.variance).all()
    assert float(noisy.data.max()) == pytest.approx(math.log(100.0), rel=1e-5)
    assert "photon starvation" in noisy.notes[0]


def test_noise_is_a_function_of_seed_and_absolute_slice(monkeypatch):
    volume, settings = body(slices=6), SimulationSettings()
    geometry = scan(volume)
    whole = simulate(volume, geometry, settings, 3, first_slice=10)
    part = simulate(volume.slices(2, 5), geometry, settings, 3, first_slice=12)
    assert torch.equal(part.data, whole.data[2:5]) and torch.equal(part.variance, whole.variance[2:5])
    assert part.first_slice == 12
    assert not torch.equal(whole.data[0], whole.data[1])
    assert not torch.equal(simulate(volume, geometry, settings, 4, first_slice=10).data, whole.data)
    monkeypatch.setattr(simulation, "CHUNK_BYTES", 1)
    assert torch.equal(simulate(volume, geometry, settings, 3, first_slice=10).data, whole.data)


def test_big_stacks_are_projected_in_chunks(monkeypatch):
    sizes = []
    original = simulation.refine
    monkeypatch.setattr(simulation, "refine", lambda mu, f: sizes.append(mu.shape[0]) or original(mu, f))
    monkeypatch.setattr(simulation, "CHUNK_BYTES", 200_000)
    volume = body(slices=10)
    simulate(volume, scan(volume), QUIET, 0)
    assert sum(sizes) == 10 and max(sizes) <= 3


def test_a_cone_scan_sees_the_cylinder_and_its_noise_is_keyed_by_view(monkeypatch):
    volume = body(slices=12, size=24, spacing=6.0)
    geometry = scan(volume, "cone", 4)
    clean = simulate(volume, geometry, QUIET, 0)
    assert clean.data.shape == geometry.data_shape(12)
    fan = FanBeam(geometry.angles, 1000.0, 1500.0, geometry.columns, geometry.column_spacing)
    flat = simulate(volume.slices(0, 1), fan, QUIET, 0).data[0]
    middle = clean.data[:, (geometry.rows - 1) // 2]
    assert float((middle - flat).norm() / flat.norm()) < 5e-3
    noisy = simulate(volume, geometry, SimulationSettings(), 5, first_slice=3)
    monkeypatch.setattr(simulation, "CHUNK_BYTES", 1)
    assert torch.equal(simulate(volume, geometry, SimulationSettings(), 5).data, noisy.data)
    chi2 = float(((noisy.data - clean.data) ** 2 / noisy.variance).mean())
    assert chi2 == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    "values, name",
    [
        ({"photons": 0}, "photons"),
        ({"photons": -1e5}, "photons"),
        ({"photons": 1e30}, "photons"),
        ({"photons": float("nan")}, "photons"),
        ({"electronic": -1.0}, "electronic"),
        ({"electronic": float("inf")}, "electronic"),
        ({"oversampling": 0}, "oversampling"),
        ({"oversampling": 2.5}, "oversampling"),
        ({"noise": "yes"}, "noise"),
    ],
)
def test_absurd_settings_are_refused_by_name(values, name):
    with pytest.raises(ValueError, match=rf"simulation\.{name}"):
        SimulationSettings(**values)
    with pytest.raises(ValueError, match=rf"spec\.simulation\.{name}"):
        from_mapping(SimulationSettings, values, "spec.simulation")


def test_a_source_inside_the_volume_is_refused():
    volume = body()
    with pytest.raises(ValueError, match="source_to_isocentre"):
        simulate(volume, FanBeam(equispaced(4), 100.0, 300.0, 64, 2.0), QUIET, 0)
