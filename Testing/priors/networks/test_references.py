"""The back-bones and parametrisations against the authors' own code, for every choice that no tensor tells.

`reference_outputs.json` holds what guided-diffusion (Dhariwal and Nichol), score_sde_pytorch (Song et al.) and, as
denoiser D, EDM (Karras et al.) computed: 16 values of an output. Weights and inputs come from NumPy's legacy generator,
whose numbers are promised never to change, seeded by the names of the tensors.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ctdiffusion.priors.packs.pack import build_network
from ctdiffusion.priors.parametrisation import build_denoiser
from torch import Tensor, nn

REFERENCES: dict[str, Any] = json.loads((Path(__file__).parent / "reference_outputs.json").read_text())


def seeded_network(description: dict[str, Any]) -> nn.Module:
    """A network whose tensors depend on their names alone."""
    network = build_network(description, "test").eval()
    state = {}
    for name, value in network.state_dict().items():
        noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(value.shape))
        if value.ndim > 1:
            noise = noise.astype(np.float32) / value[0].numel() ** 0.5
        elif not name.endswith((".W", "freqs")):
            noise = 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
        state[name] = torch.from_numpy(noise.astype(np.float32))
    network.load_state_dict(state)
    return network


def seeded_input() -> Tensor:
    values = np.random.RandomState(5).uniform(size=(2, 1, 16, 16))
    return torch.from_numpy(values.astype(np.float32))


@torch.inference_mode()
def output(description: dict[str, Any], levels: list[float], preconditioning: str = "") -> Tensor:
    network, x, level = seeded_network(description), seeded_input(), torch.tensor(levels)
    if not preconditioning:
        return network(x, level)
    kind = {"kind": "preconditioned", "preconditioning": preconditioning, "data_range": [-1.0, 1.0]}
    denoiser = build_denoiser(network, kind, "test")
    # The pack's range is [0, 1], that of EDM's networks [-1, 1]: half of its noise.
    return 2.0 * denoiser(x, level / 2.0, torch.zeros(2, dtype=torch.int64), torch.zeros(2)) - 1.0


def deviation(found: Tensor, wanted: list[float]) -> float:
    values = found.double().flatten()
    values = values[torch.linspace(0, len(values) - 1, len(wanted)).round().long()]
    expected = torch.tensor(wanted, dtype=torch.float64)
    return float((values - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_comes_out(name: str) -> None:
    case = REFERENCES[name]
    assert deviation(output(case["network"], case["levels"], case.get("preconditioning", "")), case["output"]) < 1e-5


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ADM, heads 4", {"heads": 2}),
        ("ADM, heads 8 up 2", {"heads_up": 0}),
        ("ADM, new order", {"qkv_first": False}),
        ("NCSN++, no fir skip", {"resample_filter": [1, 3, 3, 1]}),
        ("NCSN++, taps 1 1", {"resample_filter": [1, 3, 3, 1]}),
        ("NCSN++, no rescale", {"skip_rescale": True}),
        ("NCSN++, no sigma", {"scale_by_sigma": True}),
        ("NCSN++, centred", {"centred": False}),
        ("NCSN++, elu", {"activation": "swish"}),
        ("EDM, skip skip", {"resample_filter": [1, 1]}),
    ],
)
def test_a_wrong_choice_is_another_network(name: str, change: dict[str, Any]) -> None:
    """Each choice matters: the same tensors, read otherwise, differ by 17 to 150 %."""
    case = REFERENCES[name]
    wrong = {**case["network"], **change}
    assert deviation(output(wrong, case["levels"], case.get("preconditioning", "")), case["output"]) > 0.15
