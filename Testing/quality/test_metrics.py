"""Quality figures against scikit-image, and where they are not defined."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from ctdiffusion.images.volume import Volume
from ctdiffusion.quality.metrics import compare, field_of_view, plain, ssim, ssim_map

skimage_metrics = pytest.importorskip("skimage.metrics")
SPACING = (0.9, 1.1, 2.0)


def pair(shape: tuple[int, int, int] = (9, 20, 24)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    reference = random.normal(0, 600, shape)
    return reference + random.normal(0, 80, shape), reference


@pytest.mark.parametrize("data_range", [2000.0, 255.0])
@pytest.mark.parametrize("shape", [(9, 20, 24), (7, 7), (31, 12)])
def test_ssim_is_that_of_scikit_image(shape, data_range):
    random = np.random.default_rng(1)
    x, y = random.normal(0, 500, shape), random.normal(0, 500, shape)
    mean, full = skimage_metrics.structural_similarity(x, y, data_range=data_range, full=True)
    assert ssim(x, y, data_range) == pytest.approx(mean, abs=1e-12)
    np.testing.assert_allclose(ssim_map(x, y, data_range), full, atol=1e-12)


def test_figures_equal_scikit_image_in_the_disc():
    x, y = pair()
    figures = compare(Volume(x, SPACING), Volume(y, SPACING))
    mask = field_of_view(Volume(y, SPACING))
    x, y = x.astype(np.float32), y.astype(np.float32)
    cx, cy = (np.clip(a, -1000, 1000).astype(np.float64) for a in (x, y))
    psnr = skimage_metrics.peak_signal_noise_ratio
    assert figures["psnr"] == pytest.approx(psnr(cx[mask], cy[mask], data_range=2000), abs=1e-9)
    assert figures["rmse_hu"] == pytest.approx(np.sqrt(((x - y)[mask] ** 2).mean()), rel=1e-6)
    _, full = skimage_metrics.structural_similarity(cx, cy, data_range=2000, full=True)
    inner = np.zeros_like(mask)
    inner[3:-3, 3:-3, 3:-3] = True
    assert figures["ssim"] == pytest.approx(full[mask & inner].mean(), abs=1e-12)
    for axis, plane in enumerate(("axial", "coronal", "sagittal")):
        a, b, m = (np.moveaxis(v, axis, 0) for v in (cx, cy, mask))
        each = [psnr(p[q], r[q], data_range=2000) for p, r, q in zip(a, b, m, strict=True) if q.any()]
        assert figures[f"psnr_{plane}"] == pytest.approx(np.mean(each), abs=1e-9)
        each = []
        for p, r, q in zip(a, b, m, strict=True):
            _, full = skimage_metrics.structural_similarity(p, r, data_range=2000, full=True)
            if q[3:-3, 3:-3].any():
                each.append(full[3:-3, 3:-3][q[3:-3, 3:-3]].mean())
        assert figures[f"ssim_{plane}"] == pytest.approx(np.mean(each), abs=1e-12)


def test_the_disc_is_round_in_millimetres():
    mask = field_of_view(Volume(np.zeros((2, 41, 81)), (1.0, 1.0, 3.0)))
    assert mask[0, 20].sum() == 41 and mask[1, :, 40].sum() == 41
    assert abs(int(mask[0].sum()) - math.pi * 20.5**2) < 20
    assert field_of_view(Volume(np.zeros((1, 41, 81)), (0.5, 1.0, 3.0)))[0, 20].sum() == 81


def test_nothing_outside_the_disc_counts():
    x, y = pair()
    mask = field_of_view(Volume(y, SPACING))
    other = np.where(mask, x, 77.0)
    one, two = (compare(Volume(a, SPACING), Volume(y, SPACING)) for a in (x, other))
    for name in ("psnr", "rmse_hu", "psnr_axial", "psnr_coronal", "psnr_sagittal"):
        assert one[name] == two[name]


def test_only_the_window_counts_for_psnr_and_all_of_it_for_rmse():
    y = np.full((8, 16, 16), 1200.0)
    figures = compare(Volume(y + 500, SPACING), Volume(y, SPACING))
    assert figures["psnr"] == math.inf and figures["rmse_hu"] == pytest.approx(500)
    narrow = compare(Volume(y - 300, SPACING), Volume(y, SPACING), data_range=400, window=(800, 1200))
    assert narrow["psnr"] == pytest.approx(20 * math.log10(400 / 300))


@pytest.mark.parametrize("value", [None, 40.0])
def test_identical_and_constant_images_raise_no_warning(value):
    array = pair()[1] if value is None else np.full((9, 20, 24), value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = compare(Volume(array, SPACING), Volume(array, SPACING))
    assert {figures[f"psnr{p}"] for p in ("", "_axial", "_coronal", "_sagittal")} == {math.inf}
    assert figures["ssim"] == pytest.approx(1.0) and figures["rmse_hu"] == 0.0
    assert json.loads(json.dumps(plain(figures), allow_nan=False))["psnr"] is None


def test_a_slice_of_matching_air_does_not_decide_the_mean():
    x, y = pair()
    x[0] = y[0] = -1000
    figures = compare(Volume(x, SPACING), Volume(y, SPACING))
    assert figures["psnr_axial"] == compare(Volume(x[1:], SPACING), Volume(y[1:], SPACING))["psnr_axial"]


def test_one_slice_has_no_coronal_ssim():
    x, y = pair((1, 20, 24))
    figures = compare(Volume(x, SPACING), Volume(y, SPACING))
    assert math.isnan(figures["ssim_coronal"]) and math.isnan(figures["ssim_sagittal"])
    assert figures["ssim"] == figures["ssim_axial"] and figures["psnr"] == pytest.approx(figures["psnr_axial"])
    assert plain(figures)["ssim_coronal"] is None


def test_what_cannot_be_compared_is_refused():
    volume = Volume(np.zeros((2, 8, 8)), SPACING)
    with pytest.raises(ValueError, match="shape"):
        compare(Volume(np.zeros((2, 8, 9)), SPACING), volume)
    with pytest.raises(ValueError, match="data_range"):
        compare(volume, volume, data_range=0.0)
    with pytest.raises(ValueError, match="window"):
        compare(volume, volume, window=(5.0, 5.0))
