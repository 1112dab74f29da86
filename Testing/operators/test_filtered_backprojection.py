"""FBP and FDK reproduce analytic phantoms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from ctdiffusion.operators import backprojection
from ctdiffusion.operators import fdk as fdk_module
from ctdiffusion.operators.fbp import fbp
from ctdiffusion.operators.fdk import fdk
from ctdiffusion.operators.filters import WINDOWS, ramp_filter, ramp_kernel, window_response
from ctdiffusion.scan.beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam, equispaced, limited_angle
from operators.phantoms import Blobs, axes, disc, inscribed, psnr, relative_error, shepp_logan, smooth
from torch import Tensor

GRID = Grid((1, 256, 256), (1.5, 1.2, 1.2))
# Back-projection computes points: a coarser grid has the same accuracy for less time.
COARSE = Grid((1, 100, 100), (1.5, 3.0, 3.0))
SMOOTH, HEAD = smooth(GRID.field_radius), shepp_logan(GRID.field_radius)


def _parallel(angles: tuple[float, ...]) -> ParallelBeam:
    return ParallelBeam(angles, 363, 1.2)


def _fan(angles: tuple[float, ...], curved: bool = False) -> FanBeam:
    return FanBeam(angles, 570.0, 1040.0, 500, 1.6, curved=curved)


SCANS = {
    "parallel": _parallel(equispaced(360, math.pi)),
    "fan": _fan(equispaced(360)),
    "fan-curved": _fan(equispaced(360), curved=True),
}
every_scan = pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
SHORT = math.pi + 2 * SCANS["fan"].half_fan  # type: ignore[union-attr]


def _reconstruct(scan: Geometry, grid: Grid = GRID, phantom: Blobs = SMOOTH) -> Tensor:
    assert isinstance(scan, (ParallelBeam, FanBeam))
    return fbp(phantom.integrals(scan), scan, grid)


def _quality(scan: Geometry, grid: Grid = GRID) -> float:
    return psnr(_reconstruct(scan, grid), SMOOTH.volume(grid), inscribed(grid))


@every_scan
def test_smooth(scan: Geometry) -> None:
    assert _quality(scan) >= 70.0


@every_scan
def test_shepp_logan(scan: ParallelBeam | FanBeam) -> None:
    reconstruction = fbp(HEAD.integrals(scan), scan, GRID)
    assert psnr(reconstruction, HEAD.volume(GRID), inscribed(GRID)) >= 33.0


@every_scan
def test_water_has_its_attenuation(scan: ParallelBeam | FanBeam) -> None:
    phantom = disc(0.0193, 110.0, 10.0, -8.0)
    _, y, x = axes(GRID)
    inside = torch.from_numpy(((x - 10.0) ** 2)[None, :] + ((y + 8.0) ** 2)[:, None] <= 95.0**2)
    mean = float(fbp(phantom.integrals(scan), scan, GRID)[0][inside].mean())
    assert mean == pytest.approx(0.0193, rel=2e-3)


@every_scan
def test_grid_off_the_isocentre_and_offset_detector(scan: ParallelBeam | FanBeam) -> None:
    grid = Grid((1, 200, 230), (1.0, 1.25, 1.1), (9.0, -6.0, 0.0))
    assert _quality(replace(scan, column_offset=7.7), grid) >= 70.0


@every_scan
def test_torch_and_numba_agree(scan: ParallelBeam | FanBeam, monkeypatch: pytest.MonkeyPatch) -> None:
    few = scan.subset(range(0, 360, 9))
    one = _reconstruct(few, COARSE)
    monkeypatch.setattr(backprojection, "has_numba", lambda: False)
    assert relative_error(_reconstruct(few, COARSE), one) < 1e-5


@pytest.mark.parametrize("curved", [False, True], ids=["flat", "curved"])
@pytest.mark.parametrize("extra", [0.0, 40.0])
def test_short_scan_is_as_good_as_a_full_one(curved: bool, extra: float) -> None:
    arc = SHORT + math.radians(extra)
    scan = _fan(limited_angle(round(math.degrees(arc)), 0.4, arc), curved)
    assert _quality(scan, COARSE) >= 70.0
    assert relative_error(_reconstruct(scan, COARSE), _reconstruct(_fan(equispaced(360), curved), COARSE)) < 1e-3


def test_parallel_over_any_arc_beyond_half_a_turn() -> None:
    for degrees in (180, 200, 270, 360):
        assert _quality(_parallel(equispaced(2 * degrees, math.radians(degrees))), COARSE) >= 70.0


def test_uneven_views() -> None:
    """Dense on one side, coarse on the other: weights from the angles keep the level, equal weights would not."""
    coarse = [math.radians(a) for a in range(0, 180, 1)]
    dense = [math.radians(180 + 0.5 * a) for a in range(360)]
    assert _quality(_fan((*coarse, *dense)), COARSE) >= 60.0
    assert _quality(_parallel((*coarse[:90], *[math.radians(90 + 0.5 * a) for a in range(180)])), COARSE) >= 60.0


def test_half_fan_doubles_the_field_of_view() -> None:
    scan = FanBeam(equispaced(720), 570.0, 1040.0, 330, 1.6, 230.0)
    assert scan.fov_radius < 20.0
    assert _quality(scan, COARSE) >= 70.0
    assert _quality(ParallelBeam(equispaced(720), 230, 1.2, 72.0), COARSE) >= 70.0


@pytest.mark.parametrize("make", [_parallel, _fan], ids=["parallel", "fan"])
def test_limited_angle_is_its_part_of_the_whole(make: Callable[[tuple[float, ...]], ParallelBeam | FanBeam]) -> None:
    """Views over 0-120 and over 120-180 degrees (as many again behind, for a fan) add up to the full reconstruction."""
    turn = math.pi if make is _parallel else 2 * math.pi
    angles = equispaced(360, turn)
    whole = _reconstruct(make(angles), COARSE)
    parts = [_reconstruct(make(a), COARSE) for a in (angles[:240], angles[240:])]
    if make is _parallel:
        assert relative_error(parts[0] + parts[1], whole) < 1e-5
    else:
        # 240 of 360 degrees is more than a short scan and suffices alone.
        assert relative_error(parts[0], whole) < 1e-3
        assert relative_error(parts[1], whole) > 0.1


@every_scan
def test_windows_only_smooth(scan: ParallelBeam | FanBeam) -> None:
    """Every window keeps the mean of a uniform region; roughness falls from ram-lak to hann."""
    few = scan.subset(range(0, 360, 6))
    data = disc(0.0193, 100.0).integrals(few)
    data = data + 0.01 * torch.randn(data.shape, generator=torch.Generator().manual_seed(0))
    inside = inscribed(GRID, 0.5)
    values = {w: fbp(data, few, GRID, w)[0][inside] for w in WINDOWS}
    for value in values.values():
        assert float(value.mean()) == pytest.approx(0.0193, rel=1e-2)
    noise = [float(values[w].std()) for w in WINDOWS]
    assert noise == sorted(noise, reverse=True) and noise[-1] < 0.6 * noise[0]


def test_ramp_kernel_has_no_offset() -> None:
    """Its sum tends to zero, so that a uniform object keeps its value; truncation leaves about 1 / (pi^2 n)."""
    kernel = ramp_kernel(1000, 0.7)
    assert kernel[999] == pytest.approx(1 / (4 * 0.7**2))
    assert float(kernel.sum()) * 0.7**2 == pytest.approx(1 / (math.pi**2 * 1000), rel=2e-2)
    curved = ramp_kernel(50, 1e-4, equiangular=True)
    assert torch.allclose(curved, ramp_kernel(50, 1e-4), rtol=1e-4)


def test_ramp_filter_does_not_wrap_round() -> None:
    """An impulse at one end must not come back at the other."""
    p = torch.zeros(64)
    p[0] = 1.0
    filtered = ramp_filter(p, 1.0)
    assert torch.allclose(filtered, ramp_kernel(64, 1.0)[63:].float(), atol=1e-6)


def test_window_responses() -> None:
    ends = torch.tensor([0.0, 1.0])
    at_nyquist = {"ram-lak": 1.0, "shepp-logan": 2 / math.pi, "cosine": 0.0, "hamming": 0.08, "hann": 0.0}
    for name, value in at_nyquist.items():
        assert window_response(name, ends).tolist() == pytest.approx([1.0, value], abs=1e-6)


def test_cone() -> None:
    grid = Grid((64, 64, 64), (1.2, 1.2, 1.2))
    scan = ConeBeam(equispaced(90), 570.0, 1040.0, 110, 116, 1.4, 1.4)
    phantom = smooth(36.0, flat=False)
    reconstruction = fdk(phantom.integrals(scan), scan, grid)
    inside = inscribed(grid)
    assert psnr(reconstruction, phantom.volume(grid), inside) >= 60.0
    # Everything off centre, unequal voxels; then a short scan, exact in the central plane only.
    moved = replace(scan, column_offset=4.4, row_offset=-3.1, columns=128, rows=128)
    grid = Grid((25, 35, 30), (3.0, 2.2, 2.4), (3.0, -2.0, 4.0))
    for angles, bar in ((scan.angles, 60.0), (limited_angle(100, 0.2, math.pi + 0.4), 50.0)):
        turned = replace(moved, angles=angles)
        reconstruction = fdk(phantom.integrals(turned), turned, grid)
        assert psnr(reconstruction, phantom.volume(grid), inscribed(grid)) >= bar


def test_cone_torch_and_numba_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid((20, 24, 28), (1.5, 1.2, 1.1), (2.0, 1.0, -3.0))
    scan = ConeBeam(equispaced(20), 300.0, 500.0, 40, 44, 1.4, 1.5, 1.0, -2.0)
    data = smooth(15.0, flat=False).integrals(scan)
    one = fdk(data, scan, grid)
    monkeypatch.setattr(fdk_module, "has_numba", lambda: False)
    assert relative_error(fdk(data, scan, grid), one) < 1e-5


def test_half_fan_cone() -> None:
    grid = Grid((24, 64, 64), (1.2, 1.2, 1.2))
    scan = ConeBeam(equispaced(180), 570.0, 1040.0, 50, 72, 1.4, 1.4, 0.0, 36.0)
    phantom = smooth(36.0, flat=False)
    reconstruction = fdk(phantom.integrals(scan), scan, grid)
    centre = slice(10, 14)
    assert psnr(reconstruction[centre], phantom.volume(grid)[centre], inscribed(grid)) >= 55.0


def test_wide_cone_is_exact_in_the_central_plane() -> None:
    """Close to the source the cosine and distance weights matter; the central plane is an ordinary fan."""
    grid = Grid((7, 96, 96), (0.8, 0.8, 0.8))
    scan = ConeBeam(equispaced(180), 110.0, 200.0, 61, 161, 1.2, 1.0)
    phantom = Blobs(((24.0, 3.0, 0.0), (-8.0, -22.0, 0.0)), (4.5, 5.0), (0.02, 0.015), flat=False)
    reconstruction = fdk(phantom.integrals(scan), scan, grid)
    assert psnr(reconstruction[3], phantom.volume(grid)[3], inscribed(grid)) >= 65.0


@pytest.mark.parametrize("offset", [2.0, 4.0, 6.0])
def test_the_rim_that_a_shifted_parallel_turn_sees_from_one_side(offset: float) -> None:
    grid = Grid((1, 140, 140), (1.0, 1.0, 1.0))
    scan = ParallelBeam(equispaced(360), 116, 1.0, offset)
    radius = 58.0 + offset - 1.0
    _, y, x = axes(grid)
    distance = torch.from_numpy((x[None, :] ** 2 + y[:, None] ** 2) ** 0.5)
    image = fbp(disc(1.0, radius, 0.0, 0.0).integrals(scan), scan, grid)[0]
    rim = image[(distance > 58.0 - offset) & (distance < radius - 1.5)]
    assert float(rim.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(rim.std()) < 0.02
