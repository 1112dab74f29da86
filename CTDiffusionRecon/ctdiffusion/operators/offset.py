"""Detectors that stand off centre, in filtered back-projection."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from ..scan.beams import ConeBeam, FanBeam, ParallelBeam

Beam = TypeVar("Beam", bound=ParallelBeam | FanBeam | ConeBeam)


def centred(weighted: Tensor, geometry: Beam) -> tuple[Tensor, Beam]:
    """Extend weighted projections `[..., column]` with zeros to a detector that is about symmetric.

    The ramp filter spreads beyond the short side of an offset detector, and back-projection needs what falls there.
    """
    extra = round(2.0 * abs(geometry.column_offset) / geometry.column_spacing)
    if extra == 0:
        return weighted, geometry
    before = geometry.column_offset > 0.0
    shift = 0.5 * extra * geometry.column_spacing
    wider = replace(
        geometry,
        columns=geometry.columns + extra,
        column_offset=geometry.column_offset + (-shift if before else shift),
    )
    return torch.nn.functional.pad(weighted, (extra, 0) if before else (0, extra)), wider
