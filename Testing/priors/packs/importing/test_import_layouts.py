"""Every layout in many sizes: recognised, its architecture read, its weights the right ones; anything else refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ctdiffusion.priors.packs.importing.converted import NotThisNetwork, Settings
from ctdiffusion.priors.packs.importing.layouts import convert
from ctdiffusion.priors.packs.pack import build_network
from priors.packs.importing.checkpoints import evaluate, prefixed, random_network, score_sde

NCSNPP: list[dict[str, Any]] = [
    {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention_levels": [], "input_pyramid": "residual"},
    {
        "width": 8,
        "multipliers": [1, 1, 2],
        "blocks": 2,
        "attention_levels": [1],
        "input_pyramid": "input_skip",
        "output_pyramid": "output_skip",
    },
    {"width": 16, "multipliers": [1, 2, 2], "blocks": 1, "attention_levels": [0, 2], "input_pyramid": "none"},
    {"width": 8, "multipliers": [2, 1], "blocks": 3, "attention_levels": [1], "noise_levels": 10},
    {"width": 8, "multipliers": [1], "blocks": 3, "attention_levels": [0], "input_pyramid": "none"},
    {"channels": 3, "width": 8, "multipliers": [1, 3], "blocks": 2, "output_pyramid": "output_skip"},
    {"width": 16, "multipliers": [0.5, 1], "blocks": 1, "attention_levels": [1]},
    {"width": 8, "multipliers": [1, 2, 2], "blocks": 2, "resample_filter": []},
]
DDPM: list[dict[str, Any]] = [
    {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": []},
    {"channels": 2, "width": 32, "multipliers": [1, 1, 2], "blocks": 3, "attention_levels": [0, 2]},
    {"width": 64, "multipliers": [1], "blocks": 2, "attention_levels": [0]},
]
# Averages and repeated pixels between the levels.
UNLEARNT = {"block_resampling": False, "conv_resampling": False}
ADM: list[dict[str, Any]] = [
    {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]},
    {"channels": 3, "outputs": 6, "width": 32, "multipliers": [1, 1, 2], "attention_levels": [1, 2], "labels": 9},
    {"channels": 3, "outputs": 3, "width": 32, "multipliers": [2, 1], "blocks": 3, "scale_shift": False},
    {"width": 32, "multipliers": [1, 2, 2], "blocks": 2, "attention_levels": [0], "block_resampling": False},
    {"width": 32, "multipliers": [1], "blocks": 2, "attention_levels": [0], "labels": 4},
    {"width": 64, "multipliers": [0.5, 1, 1.5], "blocks": 1, "attention_levels": [1]},
    {"width": 32, "multipliers": [1, 2, 2], "attention_levels": [1], **UNLEARNT},
    {"width": 32, "multipliers": [1, 2], "blocks": 3, **UNLEARNT},
]


def same(found: Any, network: torch.nn.Module) -> None:
    """The converted network computes what the original does."""
    rebuilt = build_network(found.network, "test")
    rebuilt.load_state_dict(found.tensors)
    expected = evaluate(network)
    assert float(expected.std()) > 1e-3, "an idle network would prove nothing"
    assert torch.equal(evaluate(rebuilt), expected)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("arguments", NCSNPP)
def test_score_sde(arguments: dict[str, Any], prefix: str) -> None:
    network = random_network({"class": "NCSNpp", **arguments})
    found = convert(score_sde(network, prefix), Settings())
    assert found.layout == "score_sde"
    same(found, network)
    assert found.sigma_range == pytest.approx((0.01, 5.01))


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("arguments", DDPM)
def test_cvgdiff(arguments: dict[str, Any], wrapped: bool) -> None:
    network = random_network({"class": "DDPMUNet", **arguments})
    tensors = prefixed(network, "denoise_fn.")
    found = convert({"net_param": tensors, "epoch": 3} if wrapped else tensors, Settings())
    assert (found.layout, found.parametrisation["kind"]) == ("cvgdiff", "cold")
    same(found, network)


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("arguments", ADM)
def test_adm(arguments: dict[str, Any], wrapped: bool) -> None:
    arguments = {"attention_levels": [], **arguments}
    network = random_network({"class": "ADMUNet", "head_channels": 8, **arguments})
    tensors = prefixed(network)
    checkpoint = {"iterations": 5, "state_dict": tensors} if wrapped else tensors
    found = convert(checkpoint, Settings(head_channels=8))
    assert found.layout == ("diffusionblend" if wrapped else "adm")
    same(found, network)
    assert [text for text in found.assumed if "order" not in text] == []
    unknown = convert(checkpoint, Settings())
    assert "4 attention heads" in unknown.assumed[0]


def test_the_averaged_weights_are_taken_by_position() -> None:
    network = random_network({"class": "NCSNpp", **NCSNPP[1]})
    checkpoint = score_sde(network)
    checkpoint["model"] = {name: torch.zeros_like(v) if v.ndim > 1 else v for name, v in checkpoint["model"].items()}
    same(convert(checkpoint, Settings()), network)


def damaged(change: str) -> dict[str, Any]:
    checkpoint = prefixed(random_network({"class": "ADMUNet", **ADM[0]}))
    if change == "missing":
        del checkpoint["out.0.bias"], checkpoint["middle_block.1.norm.weight"]
    elif change == "unexpected":
        checkpoint["extra.weight"] = torch.zeros(3)
    elif change == "shape":
        checkpoint["out.0.bias"] = torch.zeros(31)
    elif change == "integers":
        checkpoint["out.0.bias"] = torch.zeros(32, dtype=torch.int64)
    else:
        checkpoint["out.0.bias"][3] = float("nan")
    return checkpoint


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("missing", ["missing out.0.bias (32,)", "missing middle_block.1.norm.weight (64,)"]),
        ("unexpected", ["unexpected extra.weight (3,)"]),
        ("shape", ["out.0.bias has shape (31,), not (32,)"]),
        ("integers", ["out.0.bias has type torch.int64, not real numbers"]),
        ("nan", ["out.0.bias holds values that are not finite"]),
    ],
)
def test_every_wrong_tensor_is_listed(change: str, named: list[str]) -> None:
    with pytest.raises(NotThisNetwork) as refused:
        convert(damaged(change), Settings())
    assert sorted(refused.value.differences) == sorted(named)


@pytest.mark.parametrize(
    ("change", "named"), [("fewer", "ema holds"), ("swapped", "ema weight"), ("none", "shadow_params")]
)
def test_averaged_weights_that_do_not_fit_are_refused(change: str, named: str) -> None:
    checkpoint = score_sde(random_network({"class": "NCSNpp", **NCSNPP[0]}))
    shadow = checkpoint["ema"]["shadow_params"]
    if change == "fewer":
        shadow.pop()
    elif change == "swapped":
        shadow[0], shadow[1] = shadow[1], shadow[0]
    else:
        del checkpoint["ema"]["shadow_params"]
    with pytest.raises(ValueError, match=named):
        convert(checkpoint, Settings())


@pytest.mark.parametrize(
    ("checkpoint", "named"),
    [
        ({"down.300000.block.0.conv1.weight": torch.zeros(32, 32, 3, 3)}, "300001 levels"),
        ({"down.0.block.9999999.conv1.weight": torch.zeros(32, 32, 3, 3)}, "10000000 blocks"),
        ({"output_blocks.9999999.0.in_layers.2.weight": torch.zeros(32, 32, 3, 3)}, "10000000 output_blocks"),
        ({"enc.16x16_block9999999.conv0.weight": torch.zeros(8, 8, 3, 3)}, "10000000 blocks"),
    ],
)
def test_numbers_in_names_are_bounded(checkpoint: dict[str, Any], named: str) -> None:
    known = {
        "conv_in.weight": torch.zeros(32, 1, 3, 3), "temb.dense.0.weight": torch.zeros(128, 32),
        "time_embed.0.weight": torch.zeros(128, 32), "input_blocks.0.0.weight": torch.zeros(32, 1, 3, 3),
        "out.2.weight": torch.zeros(2, 32, 3, 3), "map_layer0.weight": torch.zeros(32, 8),
    }  # fmt: skip
    layout = "cvgdiff" if "down." in next(iter(checkpoint)) else "adm" if "output" in next(iter(checkpoint)) else "edm"
    with pytest.raises(ValueError, match=named):
        convert({**known, **checkpoint}, Settings(layout=layout))


def test_networks_with_timesteps_of_score_sde_are_named() -> None:
    checkpoint = score_sde(random_network({"class": "NCSNpp", **NCSNPP[0]}))
    del checkpoint["model"]["module.all_modules.0.W"]
    checkpoint["model"]["module.all_modules.0.weight"] = torch.zeros(32, 8)
    with pytest.raises(ValueError, match="networks with timesteps are not read"):
        convert(checkpoint, Settings())


@pytest.mark.parametrize(
    "checkpoint",
    [
        [],
        {},
        {"weights": torch.zeros(3)},
        {"model": {}, "ema": {}},
        {"model": {"all_modules.0.W": torch.zeros(4)}, "ema": {}},
        {"net_param": {"conv_in.weight": torch.zeros(4, 1, 3, 3)}},
        {"time_embed.0.weight": torch.zeros(4)},
        {"time_embed.0.weight": torch.zeros(4, 4), "more": "text"},
        {"state_dict": 3, "iterations": 1},
    ],
)
def test_other_contents_are_refused(checkpoint: object) -> None:
    with pytest.raises(ValueError):
        convert(checkpoint, Settings())


def test_the_layout_can_be_named() -> None:
    checkpoint = prefixed(random_network({"class": "ADMUNet", **ADM[0]}))
    with pytest.raises(ValueError, match="`model` and `ema`"):
        convert(checkpoint, Settings(layout="score_sde"))
