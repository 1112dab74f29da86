"""The picture shows what it should, true to scale."""

from __future__ import annotations

import io

import numpy as np
import pytest
from ctdiffusion.images.volume import Volume
from ctdiffusion.studies.report.comparison import comparison_png, draw
from ctdiffusion.studies.report.entry import Entry

pytest.importorskip("matplotlib")
SPACING = (1.5, 1.5, 5.0)


@pytest.fixture(scope="module")
def reference() -> Volume:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (12, 48, 64)), indexing="ij")
    array = np.where(x**2 + y**2 < 0.7, 40.0, -1000.0) + 200.0 * (z > 0) * (x > 0.2)
    return Volume(array.astype(np.float32), SPACING)


@pytest.fixture(scope="module")
def entries(reference: Volume) -> list[Entry]:
    metrics = {"psnr": 30.25, "ssim": 0.9123, "rmse_hu": 61.0}
    return [
        Entry("FBP $a_b$", reference.like(reference.array + 50.0), metrics),
        Entry("A method whose name is far too long for a column", reference.like(reference.array - 1000.0)),
    ]


def axes_by_label(figure: object) -> dict[str, object]:
    return {axes.get_label(): axes for axes in figure.axes}  # type: ignore[attr-defined]


def test_every_cut_is_true_to_scale(entries: list[Entry], reference: Volume) -> None:
    figure = draw(entries, reference)
    figure.canvas.draw()
    width, height = figure.get_size_inches()
    scales = []
    for axes in figure.axes:
        if not axes.images:
            continue
        left, right, bottom, top = axes.images[0].get_extent()
        box = axes.get_position()
        scales.append((right - left) / (box.width * width))
        scales.append((top - bottom) / (box.height * height))
    assert len(scales) == 2 * 3 * (3 + 3 + 2)
    np.testing.assert_allclose(scales, scales[0], rtol=1e-6)
    coronal = axes_by_label(figure)["coronal 0"].images[0].get_extent()  # type: ignore[attr-defined]
    assert tuple(coronal) == (0.0, 96.0, 0.0, 60.0)


def test_windows_and_error_images(entries: list[Entry], reference: Volume) -> None:
    figure = draw(entries, reference)
    limits = [axes.images[0].get_clim() for axes in figure.axes if axes.images]
    assert {(-160.0, 240.0), (-1000.0, 1000.0), (-300.0, 300.0)} == set(limits)
    error = axes_by_label(figure)["error axial 1"].images[0].get_array()  # type: ignore[attr-defined]
    np.testing.assert_allclose(error, 50.0)
    assert "error axial 0" not in axes_by_label(figure), "the reference has no error"


def test_headings(entries: list[Entry], reference: Volume) -> None:
    texts = {text.get_text(): text for text in draw(entries, reference).texts}
    assert "PSNR 30.2 dB   SSIM 0.912" in texts
    assert texts["FBP $a_b$"].get_parse_math() is False
    assert all(len(text) <= 60 for text in texts)


def test_measured_data_have_no_reference(entries: list[Entry]) -> None:
    figure = draw(entries)
    assert sum(bool(axes.images) for axes in figure.axes) == 2 * 2 * 3
    assert not any(axes.get_label().startswith("error") for axes in figure.axes)


def test_png_is_a_picture(entries: list[Entry], reference: Volume) -> None:
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(comparison_png(entries, reference, "title", dpi=60)))
    height, width = pixels.shape[:2]
    assert width > 500 and height > 500
    grey = pixels[..., :3].mean(axis=2)
    assert grey.std() > 0.1 and len(np.unique(grey)) > 50
    red, blue = pixels[..., 0] - pixels[..., 2], pixels[..., 2] - pixels[..., 0]
    assert red.max() > 0.2, "a result above the reference is red"
    assert blue.max() > 0.2, "a result below the reference is blue"


def test_one_slice_and_wrong_shapes(reference: Volume) -> None:
    thin = reference.slices(3, 4)
    assert comparison_png([Entry("x", thin)], thin, dpi=40)[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="x has shape"):
        draw([Entry("x", thin)], reference)
    with pytest.raises(ValueError, match="at least one"):
        draw([], reference)
