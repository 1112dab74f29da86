"""Checkpoints in the published layouts, made with our own networks in any size, with seeded random weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ctdiffusion.priors.packs.pack import build_network
from torch import Tensor, nn


def random_network(description: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """A network none of whose parts is idle: weights of unit gain, biases and normalisations away from 0 and 1."""
    torch.manual_seed(seed)
    network = build_network(description, "test").eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if not value.requires_grad:
                value.copy_(noise)
            elif value.ndim > 1:
                value.copy_(noise / (value[0].numel() ** 0.5))
            else:
                value.copy_(0.2 * noise + (1.0 if name.endswith("weight") else 0.0))
        for _, value in network.named_buffers():
            value.copy_(torch.linspace(1.0, 0.0, len(value)) * 5.0 + 0.01)
    return network


def score_sde(network: nn.Module, prefix: str = "module.") -> dict[str, Any]:
    """{optimizer, model, ema, step}; the raw weights differ from the averaged ones."""
    raw = OrderedDict()
    for name, value in network.state_dict().items():
        kept = name in ("sigmas", "all_modules.0.W")
        raw[prefix + name] = value.double() if name == "sigmas" else value if kept else value + 1.0
    shadow = [value.detach().clone() for value in network.parameters() if value.requires_grad]
    return {
        "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 2e-4}]},
        "model": raw,
        "ema": {"decay": 0.999, "num_updates": 7, "shadow_params": shadow},
        "step": 7,
    }


def prefixed(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """The state dict with a prefix to its names."""
    return OrderedDict((prefix + name, value) for name, value in network.state_dict().items())


def save(values: object, path: Path) -> Path:
    """Write a checkpoint file."""
    torch.save(values, path)
    return path


def evaluate(network: nn.Module, side: int = 16) -> Tensor:
    """The network's output on a seeded input."""
    generator = torch.Generator().manual_seed(5)
    x = torch.rand((2, int(network.channels), side, side), generator=generator)
    with torch.inference_mode():
        return network.eval()(x, torch.tensor([0.3, 2.0]), torch.tensor([1, 3]))
