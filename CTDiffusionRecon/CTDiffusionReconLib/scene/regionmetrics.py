"""Quality of a result inside a region, with numpy alone; the definitions are those of `ctdiffusion.quality.metrics`."""

from __future__ import annotations

import math

import numpy as np

WINDOW_HU = (-1000.0, 1000.0)
DATA_RANGE_HU = 2000.0
# Side of the window of structural similarity.
SIDE = 7


def region_metrics(
    result: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    window: tuple[float, float] = WINDOW_HU,
    data_range: float = DATA_RANGE_HU,
) -> dict[str, float]:
    """How far a result is from a reference inside a mask; arrays `[slice, row, column]`, values in HU.

    `psnr` (dB) and `ssim` use values clipped to the window; `rmse_hu`, `bias_hu` (mean of result minus reference),
    `mean_hu` and `noise_hu` (mean and standard deviation of the result) the values as they are. `ssim` has a window
    of 7 voxels a side, of 7 by 7 where there are fewer than 7 slices, and leaves out voxels within 3 of the border;
    the window looks beyond the mask. It is NaN where no voxel is left; `psnr` is infinite where the two are equal.

    Raises:
        ValueError: shapes differ, or the mask is empty.
    """
    if not result.shape == reference.shape == mask.shape or result.ndim != 3:
        raise ValueError(f"region: result {result.shape}, reference {reference.shape} and mask {mask.shape} differ")
    if not mask.any():
        raise ValueError("region: it holds no voxel of the volume")
    error = result[mask].astype(np.float64) - reference[mask]
    clipped = np.clip(result[mask], *window).astype(np.float64) - np.clip(reference[mask], *window)
    square = float(np.mean(clipped * clipped))
    values = result[mask].astype(np.float64)
    return {
        "voxels": float(mask.sum()),
        "psnr": math.inf if square == 0.0 else 10.0 * math.log10(data_range**2 / square),
        "ssim": _ssim(result, reference, mask, window, data_range),
        "rmse_hu": math.sqrt(float(np.mean(error * error))),
        "bias_hu": float(error.mean()),
        "mean_hu": float(values.mean()),
        "noise_hu": float(values.std()),
        "reference_mean_hu": float(reference[mask].astype(np.float64).mean()),
    }


def _ssim(
    result: np.ndarray, reference: np.ndarray, mask: np.ndarray, window: tuple[float, float], data_range: float
) -> float:
    """Mean structural similarity over the mask (Wang et al. 2004, doi:10.1109/TIP.2003.819861, equation 13)."""
    half = SIDE // 2
    flat = result.shape[0] < SIDE
    if min(result.shape[1:]) < SIDE:
        return math.nan
    # Only the box around the mask, with what the window sees of its surroundings.
    margin = (0 if flat else half, half, half)
    box = tuple(
        slice(max(int(index.min()) - m, 0), min(int(index.max()) + m + 1, size))
        for index, m, size in zip(np.nonzero(mask), margin, mask.shape, strict=True)
    )
    axes = (1, 2) if flat else (0, 1, 2)
    inside = mask[box][tuple(slice(m, n - m) for m, n in zip(margin, mask[box].shape, strict=True))]
    if 0 in inside.shape or not inside.any():
        return math.nan
    x, y = (np.clip(a[box], *window).astype(np.float64) for a in (result, reference))
    count = SIDE ** len(axes)
    unbiased = count / (count - 1)
    mean_x, mean_y = _means(x, axes), _means(y, axes)
    var_x = unbiased * (_means(x * x, axes) - mean_x * mean_x)
    var_y = unbiased * (_means(y * y, axes) - mean_y * mean_y)
    cov = unbiased * (_means(x * y, axes) - mean_x * mean_y)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = ((2.0 * mean_x * mean_y + c1) * (2.0 * cov + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return float(similarity[inside].mean())


def _means(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Means over windows of SIDE along the axes, of whole windows only: the array shrinks by SIDE - 1 along each."""
    for axis in axes:
        sums = np.cumsum(values, axis=axis)
        sums = np.insert(sums, 0, 0.0, axis=axis)
        ends = [slice(None)] * values.ndim
        begins = [slice(None)] * values.ndim
        ends[axis], begins[axis] = slice(SIDE, None), slice(None, -SIDE)
        values = (sums[tuple(ends)] - sums[tuple(begins)]) / SIDE
    return values
