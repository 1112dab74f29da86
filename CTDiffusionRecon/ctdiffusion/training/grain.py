"""The noise that a training slice carries itself, measured on the crop that the network is shown."""

from __future__ import annotations

import torch
from torch import Tensor

# Soft tissue, as an interval in HU: flat enough for its spread to be noise.
TISSUE = (-150.0, 250.0)
_BLOCK = 8
_FEWEST = 8
# Of the blocks' variances, ordered, the share at which the noise is read: above it is anatomy.
_FLAT = 0.2
# A fifth of blocks of 64 independent normal values with their mean removed has a smaller variance than this.
_QUANTILE = 0.848


def grain(hu: Tensor) -> float:
    """Standard deviation in HU of the noise in a crop `[row, column]`, from its flattest blocks of soft tissue.

    0 where there is too little soft tissue to say. Noise with a longer correlation than a block is underestimated.
    """
    rows, columns = (side // _BLOCK for side in hu.shape)
    cut = hu[: rows * _BLOCK, : columns * _BLOCK]
    blocks = cut.reshape(rows, _BLOCK, columns, _BLOCK).transpose(1, 2).reshape(rows * columns, -1)
    mean = blocks.mean(1)
    variance = blocks.var(1)[(mean > TISSUE[0]) & (mean < TISSUE[1])]
    if variance.numel() < _FEWEST:
        return 0.0
    return float((torch.quantile(variance, _FLAT) / _QUANTILE).sqrt())
