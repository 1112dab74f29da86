"""The back-bones against the stand-ins for published checkpoints: outputs, names, shapes and order."""

from __future__ import annotations

import ast
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from ctdiffusion.priors.packs.importing.converted import Converted, Settings
from ctdiffusion.priors.packs.importing.layouts import convert
from ctdiffusion.priors.packs.importing.presets import PRESETS
from ctdiffusion.priors.packs.pack import build_network
from priors.packs.importing.checkpoints import evaluate, random_network
from shared_data import shared

STAND_INS = ["msdiff.pth", "iscs.pth", "cvgdiff.pkl", "diffusionblend.pt", "dds.pt"]
FULL_SIZE: dict[str, dict[str, Any]] = {
    "ISCS": PRESETS["iscs-ct"].network,
    "MSDiff": PRESETS["msdiff"].network,
    "CvG-Diff": PRESETS["cvgdiff"].network,
    "DiffusionBlend": {**PRESETS["diffusionblend-aapm"].network, "blocks": 2, "attention_levels": [3, 4, 5]},
    "DDS-AAPM256": PRESETS["dds-aapm256"].network,
}


def converted(name: str) -> Converted:
    return convert(torch.load(shared(f"checkpoints/{name}"), weights_only=True), Settings())


@pytest.mark.parametrize("name", STAND_INS)
def test_the_stored_outputs_come_out(name: str) -> None:
    found = converted(name)
    network = build_network(found.network, "test").to(memory_format=torch.channels_last).eval()
    network.load_state_dict(found.tensors)
    with np.load(shared(f"checkpoints/{name.split('.')[0]}_io.npz")) as stored:
        values = {key: torch.from_numpy(stored[key]) for key in stored if key != "config"}
    with torch.inference_mode():
        output = network(values["arg0"], values["arg1"], values.get("y"))
    wanted = values["output"]
    assert float((output - wanted).norm() / wanted.norm()) < 5e-6
    assert float((output - wanted).abs().max() / wanted.abs().max()) < 1e-5


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_names_and_shapes(name: str) -> None:
    wanted = {}
    for line in shared(f"checkpoints/{name}_state_dict_keys.txt").read_text().splitlines():
        if not line.startswith("#"):
            _, key, shape = line.split("\t")[:3]
            wanted[key.removeprefix("denoise_fn.")] = ast.literal_eval(shape)
    with torch.device("meta"):
        network = build_network(FULL_SIZE[name], "test")
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == wanted


@pytest.mark.parametrize("name", ["ISCS", "MSDiff"])
def test_averaged_weights_have_the_published_order(name: str) -> None:
    lines = shared(f"checkpoints/{name}_ema_index_map.txt").read_text().splitlines()
    wanted = [line.split("\t")[1] for line in lines if not line.startswith("#")]
    with torch.device("meta"):
        network = build_network(FULL_SIZE[name], "test")
    assert [key for key, value in network.named_parameters() if value.requires_grad] == wanted


@pytest.mark.parametrize(
    "arguments",
    [
        {"class": "NCSNpp", "width": 8, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]},
        {"class": "NCSNpp", "width": 8, "input_pyramid": "input_skip", "output_pyramid": "output_skip", "blocks": 1},
        {"class": "DDPMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]},
        {"class": "ADMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1], "labels": 4},
    ],
)
def test_reduced_precision_is_close(arguments: dict[str, Any]) -> None:
    network = random_network(arguments)
    exact = evaluate(network)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = evaluate(network)
    assert 1e-6 < float((reduced - exact).norm() / exact.norm()) < 0.05


def test_evaluation_keeps_no_activations() -> None:
    """What the way up needs is dropped as soon as it is used: each skip is alive once, at most."""
    network = random_network({"class": "ADMUNet", "width": 32, "multipliers": [1, 2], "blocks": 2})
    alive: list[Any] = []
    for steps in network.input_blocks:
        steps.register_forward_hook(lambda module, given, out: alive.append(weakref.ref(out)))
    left: list[int] = []
    for steps in network.output_blocks:
        steps.register_forward_hook(lambda *_: left.append(sum(reference() is not None for reference in alive)))
    evaluate(network)
    assert left == [5, 4, 3, 2, 1, 0]


def test_bad_arguments_are_refused() -> None:
    for arguments in (
        {"class": "NCSNpp", "input_pyramid": "cat"},
        {"class": "NCSNpp", "output_pyramid": "cat"},
        {"class": "ADMUNet", "head_channels": 0, "heads": 3},
        {"class": "DDPMUNet", "width": 20},
    ):
        with pytest.raises(ValueError), torch.device("meta"):
            build_network(arguments, "test")
