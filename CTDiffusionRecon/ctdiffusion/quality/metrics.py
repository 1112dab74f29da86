"""Image quality against a reference, after the fact: PSNR, SSIM and RMSE in HU inside the scan field of view.

Wang et al. 2004, doi:10.1109/TIP.2003.819861, with the choices of scikit-image (7-wide uniform window, unbiased
variances, K1 = 0.01, K2 = 0.03, borders of half a window left out), so that the numbers can be compared.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..images.orientation import oriented, to_lps
from ..images.volume import Volume

WINDOW = 7
PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def compare(
    result: Volume,
    reference: Volume,
    data_range: float = 2000.0,
    window: tuple[float, float] = (-1000.0, 1000.0),
    mask: Mask | None = None,
) -> dict[str, float]:
    """Quality of a result in HU.

    PSNR (dB) and SSIM use values clipped to `window`, RMSE the values as they are. All count only voxels in the disc
    inscribed in the slices, or in `mask`. `psnr` and `ssim` are of the whole volume (`ssim` with a 3-D window; the
    axial mean where there are fewer than 7 slices); the others are means over the slices of one plane in which they
    are defined. Identical images have a PSNR of infinity; what is not defined is NaN (see `plain`).

    Args:
        result, reference: volumes of one shape.
        data_range: of PSNR and SSIM, in HU.
        window: HU interval.
        mask: voxels that count `[slice, row, column]`; None is the disc.

    Raises:
        ValueError: shapes differ, or a data range or window that is empty.
    """
    if result.array.shape != reference.array.shape:
        raise ValueError(f"result has shape {result.array.shape}, reference {reference.array.shape}")
    if not (math.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range must be positive, got {data_range!r}")
    if not window[0] < window[1]:
        raise ValueError(f"window must be increasing, got {window!r}")
    # Planes are named after the patient's axes, in whatever order the voxels are stored.
    mask = None if mask is None else oriented(mask, reference.direction)
    (result, _), (reference, _) = to_lps(result), to_lps(reference)
    if mask is None:
        mask = field_of_view(reference)
    raw = (result.array.astype(np.float64) - reference.array)[mask]
    x = np.clip(result.array, *window).astype(np.float64)
    y = np.clip(reference.array, *window).astype(np.float64)
    values = {"psnr": _psnr(x, y, mask, data_range), "rmse_hu": math.sqrt(float(np.mean(raw * raw)))}
    for plane, axis in PLANES.items():
        parts = [np.moveaxis(a, axis, 0) for a in (x, y, mask)]
        slices = [(a, b, m) for a, b, m in zip(*parts, strict=True) if m.any()]
        values[f"psnr_{plane}"] = _mean([_psnr(a, b, m, data_range) for a, b, m in slices])
        values[f"ssim_{plane}"] = _mean([ssim(a, b, data_range, m) for a, b, m in slices])
    deep = x.shape[0] >= WINDOW
    values["ssim"] = ssim(x, y, data_range, mask) if deep else values["ssim_axial"]
    return values


def plain(metrics: dict[str, float]) -> dict[str, float | None]:
    """The metrics for strict JSON: None where a value is infinite or not defined."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def field_of_view(volume: Volume) -> Mask:
    """True inside the disc inscribed in the slices, `[slice, row, column]`."""
    grid = volume.grid
    _, rows, columns = grid.shape
    _, dy, dx = grid.spacing
    y = (np.arange(rows) - (rows - 1) / 2) * dy
    x = (np.arange(columns) - (columns - 1) / 2) * dx
    disc = y[:, None] ** 2 + x[None, :] ** 2 <= grid.field_radius**2
    return np.broadcast_to(disc, grid.shape)


def ssim(x: Array, y: Array, data_range: float, mask: Mask | None = None) -> float:
    """Mean structural similarity of two images of any dimension, over the mask away from the border.

    NaN where the image is smaller than the window or no voxel of the mask is far enough from the border.
    """
    if min(x.shape) < WINDOW:
        return math.nan
    inner = (slice(WINDOW // 2, -(WINDOW // 2)),) * x.ndim
    values = ssim_map(x, y, data_range)[inner]
    if mask is not None:
        values = values[mask[inner]]
    return float(values.mean()) if values.size else math.nan


def ssim_map(x: Array, y: Array, data_range: float) -> Array:
    """Structural similarity at every voxel; equation 13 of the paper."""
    from scipy.ndimage import uniform_filter

    count = WINDOW**x.ndim
    unbiased = count / (count - 1)
    mean_x, mean_y = uniform_filter(x, WINDOW), uniform_filter(y, WINDOW)
    var_x = unbiased * (uniform_filter(x * x, WINDOW) - mean_x * mean_x)
    var_y = unbiased * (uniform_filter(y * y, WINDOW) - mean_y * mean_y)
    cov = unbiased * (uniform_filter(x * y, WINDOW) - mean_x * mean_y)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    top = (2.0 * mean_x * mean_y + c1) * (2.0 * cov + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return np.asarray(top / bottom, dtype=np.float64)


def _psnr(x: Array, y: Array, mask: Mask, data_range: float) -> float:
    error = (x - y)[mask]
    square = float(np.mean(error * error))
    if square == 0.0:
        return math.inf
    return 10.0 * math.log10(data_range**2 / square)


def _mean(values: list[float]) -> float:
    """Mean of the finite values: a slice of nothing but clipped air matches exactly and must not decide the mean."""
    finite = [v for v in values if math.isfinite(v)]
    if finite:
        return float(np.mean(finite))
    return math.inf if math.inf in values else math.nan
