"""A tiny prior pack with seeded random weights, for tests that need a whole one."""

from __future__ import annotations

from pathlib import Path

import torch
from ctdiffusion.priors.packs.pack import build_network, write_pack
from ctdiffusion.priors.prior import PriorInfo

INFO = PriorInfo(
    name="small",
    version="1",
    modality="CT",
    domain="image",
    network={"class": "TripletUNet", "widths": [8, 8], "blocks": [1, 1], "condition": 8},
    parametrisation={"kind": "edm", "sigma_data": 0.3, "mean": 0.25},
    channels=3,
    window=(-1000.0, 1600.0),
    sigma_range=(0.002, 5.0),
    spacing_range=(0.6, 3.0),
    labels=(0, 1, 3),
    crop=16,
    body_parts=("phantom",),
    training_data=("none",),
    licence="Apache-2.0",
    attribution="none",
)


def small_state() -> dict[str, torch.Tensor]:
    """Random weights for the tiny network: fresh ones are zero on every residual branch and would hide mistakes."""
    generator = torch.Generator().manual_seed(3)
    network = build_network(INFO.network, "test")
    return {name: 0.1 * torch.randn(value.shape, generator=generator) for name, value in network.state_dict().items()}


def small_pack(folder: Path) -> Path:
    """Write the tiny pack into `folder`."""
    write_pack(folder, INFO, small_state())
    return folder
