"""The noise level of projections, from the projections alone."""

from __future__ import annotations

import torch
from torch import Tensor

# Fourth differences: independent noise of standard deviation 1 gives sqrt(70), an object smooth over a few columns
# next to nothing.
_STENCIL = (1.0, -4.0, 6.0, -4.0, 1.0)
_GAIN = 70.0**0.5
# Median of |N(0, 1)|.
_MEDIAN = 0.67449
# Rays that pass through less than this share of the most absorbing path say nothing about the noise behind the object.
_INSIDE = 0.1


def noise_level(data: Tensor, batch_dims: int) -> Tensor:
    """Standard deviation of the noise of line integrals, from their fourth differences along the detector columns.

    The median is robust against edges; correlated noise is underestimated.

    Args:
        data: line integrals, detector columns last.
        batch_dims: 1 gives a value for every leading index, `[slice, 1, 1]`, 0 one for all, `[1, 1, 1]`. 0 where there
            are too few columns or no object.

    Source: the median absolute deviation of Donoho & Johnstone 1994, doi:10.1093/biomet/81.3.425, with differences in
    place of wavelets.
    """
    stack = data if batch_dims else data.reshape(1, -1, data.shape[-1])
    width = stack.shape[-1] - len(_STENCIL) + 1
    levels = stack.new_zeros(stack.shape[0], 1, 1)
    if width < 1:
        return levels
    differences = sum(c * stack[..., k : k + width] for k, c in enumerate(_STENCIL))
    centre = stack[..., 2 : 2 + width]
    for level, values, middle in zip(levels, torch.as_tensor(differences).abs(), centre, strict=True):
        inside = values[middle > _INSIDE * middle.max()]
        if inside.numel():
            level.fill_(inside.median() / (_MEDIAN * _GAIN))
    return levels
