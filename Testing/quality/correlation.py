"""Agreement of a thresholded reconstruction with a known segmentation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def otsu_threshold(values: NDArray[np.float32], bins: int = 256) -> float:
    """The threshold that separates two classes best; Otsu 1979, doi:10.1109/TSMC.1979.4310076.

    Raises:
        ValueError: values that are all equal or not finite.
    """
    low, high = float(np.min(values)), float(np.max(values))
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        raise ValueError("Otsu's threshold needs finite values that are not all equal")
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    centres = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    total = np.cumsum(counts * centres)
    mean_below, mean_above = total[:-1] / below, (total[-1] - total[:-1]) / above
    return float(centres[int(np.argmax(below * above * (mean_below - mean_above) ** 2))])


def matthews_correlation(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Matthews correlation coefficient of two binary images, -1 to 1; 0 where one of them is constant.

    Matthews 1975, doi:10.1016/0005-2795(75)90109-9; the score of the Helsinki Tomography Challenge 2022.

    Raises:
        ValueError: shapes differ.
    """
    if found.shape != truth.shape:
        raise ValueError(f"segmentations of shapes {found.shape} and {truth.shape}")
    tp = float(np.sum(found & truth))
    tn = float(np.sum(~found & ~truth))
    fp = float(np.sum(found & ~truth))
    fn = float(np.sum(~found & truth))
    scale = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / scale if scale > 0 else 0.0
