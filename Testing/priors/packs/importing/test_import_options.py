"""What no tensor tells: every choice is told with its option, and every option does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ctdiffusion.commands import importoptions
from ctdiffusion.priors.packs.importing.converted import Settings
from ctdiffusion.priors.packs.importing.describe import describe
from ctdiffusion.priors.packs.importing.layouts import convert
from ctdiffusion.priors.packs.importing.options import ImportOptions
from ctdiffusion.priors.packs.importing.presets import PRESETS, preset_named
from ctdiffusion.priors.packs.pack import build_network
from ctdiffusion.priors.parametrisation import build_denoiser
from ctdiffusion.priors.prior import PriorInfo
from priors.packs.importing.checkpoints import evaluate, prefixed, random_network, score_sde

ADM = {"class": "ADMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]}
NCSNPP = {"class": "NCSNpp", "width": 8, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1]}
SKIPS = {"input_pyramid": "input_skip", "output_pyramid": "output_skip"}
CHECKPOINTS = {
    "adm": (lambda network: prefixed(network), ADM),
    "ncsnpp": (lambda network: score_sde(network), NCSNPP),
}


def described(checkpoint: Any, **given: Any) -> PriorInfo:
    """The metadata that an import would write."""
    options = ImportOptions(**given)
    found = convert(checkpoint, options.settings())
    result = {name: value for name, value in vars(found).items() if name != "tensors"}
    preset = preset_named(options.preset or found.preset, found.layout)
    return describe("test", result, preset, options, Path("file.pt"))


def listed(info: PriorInfo) -> set[str]:
    """The options that the list of assumptions names, but for the size, which stays what it is."""
    return set(
        re.findall(r"--[a-z-]+", " ".join(text for text in info.origin["assumed"] if "another size" not in text))
    )


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ({**ADM, "head_channels": 0, "heads": 8}, {"heads": 8}),
        ({**ADM, "head_channels": 0, "heads": 8, "heads_up": 2}, {"heads": 8, "heads_up": 2}),
        ({**ADM, "head_channels": 16, "qkv_first": True}, {"head_channels": 16, "new_attention_order": True}),
        ({**ADM, "width": 256, "multipliers": [0.25, 0.5], "head_channels": 0}, {"heads": 4}),
        ({**NCSNPP, **SKIPS, "resample_filter": []}, {"resample_filter": ()}),
        ({**NCSNPP, **SKIPS, "resample_filter": [1, 1]}, {"resample_filter": (1.0, 1.0)}),
        ({**NCSNPP, "resample_filter": [1, 2, 2, 1]}, {"resample_filter": (1.0, 2.0, 2.0, 1.0)}),
        ({**NCSNPP, "skip_rescale": False}, {"skip_rescale": False}),
        ({**NCSNPP, "scale_by_sigma": False}, {"scale_by_sigma": False}),
        ({**NCSNPP, "centred": True}, {"centred": True}),
        ({**NCSNPP, "activation": "elu"}, {"activation": "elu"}),
    ],
)
def test_an_option_reads_the_network_right(arguments: dict[str, Any], settings: dict[str, Any]) -> None:
    network = random_network(arguments)
    checkpoint = prefixed(network) if arguments["class"] == "ADMUNet" else score_sde(network)
    expected = evaluate(network)
    for options, right in ((Settings(**settings), True), (Settings(), False)):
        found = convert(checkpoint, options)
        rebuilt = build_network(found.network, "test")
        rebuilt.load_state_dict(found.tensors)
        error = float((evaluate(rebuilt) - expected).norm() / expected.norm())
        assert error < 1e-6 if right else error > 0.05
        named = {option.replace("--no-", "--") for option in re.findall(r"--[a-z-]+", " ".join(found.assumed))}
        asked = {f"--{name.replace('_', '-')}" for name in settings}
        assert not asked & named if right else asked <= named


def test_tensors_decide_where_they_can() -> None:
    unfiltered = score_sde(random_network({**NCSNPP, "resample_filter": []}))
    filtered = score_sde(random_network(NCSNPP))
    assert convert(unfiltered, Settings()).network["resample_filter"] == []
    assert "--resample-filter" not in " ".join(convert(unfiltered, Settings()).assumed)
    with pytest.raises(ValueError, match="resamples without one"):
        convert(unfiltered, Settings(resample_filter=(1.0, 3.0, 3.0, 1.0)))
    with pytest.raises(ValueError, match="resamples with one"):
        convert(filtered, Settings(resample_filter=()))


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_every_assumption_names_an_option_that_silences_it(kind: str) -> None:
    build, arguments = CHECKPOINTS[kind]
    checkpoint = build(random_network(arguments))
    given: dict[str, Any] = {
        "preset": "dds-aapm256" if kind == "adm" else "iscs-ct", "modality": "CT", "domain": "image",
        "window": (-1000.0, 1600.0), "spacing": (1.0, 2.0), "image_size": 64, "licence": "mine",
        "data_range": (0.0, 1.0),
    }  # fmt: skip
    if kind == "adm":
        given |= {"heads": 4, "heads_up": 4, "new_attention_order": False, "timesteps": 1000, "betas": (1e-4, 0.02)}
        given |= {"schedule": "linear", "prediction": "epsilon"}
    else:
        given |= {"resample_filter": (1.0, 3.0, 3.0, 1.0), "skip_rescale": True, "scale_by_sigma": True}
        given |= {"centred": False, "activation": "swish"}
    silent = described(checkpoint)
    wanted = {f"--{name.replace('_', '-')}" for name in given} | {"--head-channels" for _ in range(kind == "adm")}
    positive = {option.replace("--no-", "--") for option in listed(silent)}
    assert positive == wanted
    told = described(checkpoint, **given)
    assert [text for text in told.origin["assumed"] if "another size" not in text] == []
    for name, value in given.items():
        one = {option.replace("--no-", "--") for option in listed(described(checkpoint, **{name: value}))}
        assert f"--{name.replace('_', '-')}" not in one, name


def test_a_sinogram_network_and_a_restorer_tell_theirs() -> None:
    sinogram = described(score_sde(random_network({**NCSNPP, **SKIPS})))
    assert (sinogram.domain, "--spacing" in listed(sinogram)) == ("sinogram", False)
    assert {"--window", "--domain", "--resample-filter", "--preset"} <= listed(sinogram)
    assert any("nobody published" in text and "line integrals" in text for text in sinogram.origin["assumed"])
    restorer = random_network({"class": "DDPMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1})
    info = described({"net_param": prefixed(restorer, "denoise_fn.")})
    assert "--levels" in listed(info) and "--data-range" not in listed(info)
    assert described({"net_param": prefixed(restorer)}, levels=(90, 30)).parametrisation["levels"] == [90, 30]


@pytest.mark.parametrize(
    ("kind", "option", "value", "named"),
    [
        ("ncsnpp", "heads", 4, "--heads means nothing for a checkpoint of layout score_sde"),
        ("adm", "skip_rescale", False, "--skip-rescale means nothing for a checkpoint of layout adm"),
        ("ncsnpp", "betas", (1e-4, 0.02), "--betas means nothing for this network"),
        ("adm", "levels", (36, 18), "--levels means nothing for this network"),
        ("adm", "sigma_range", (0.1, 1.0), "--sigma-range means nothing for this network"),
    ],
)
def test_options_of_other_networks_are_refused(kind: str, option: str, value: Any, named: str) -> None:
    build, arguments = CHECKPOINTS[kind]
    with pytest.raises(ValueError, match=named):
        described(build(random_network(arguments)), **{option: value})


def test_a_cosine_schedule_needs_no_betas() -> None:
    info = described(prefixed(random_network(ADM)), schedule="cosine")
    assert info.parametrisation["schedule"] == "cosine" and "--betas" not in listed(info)
    assert info.sigma_range[1] > 1000.0


def test_heads_are_given_one_way() -> None:
    checkpoint = prefixed(random_network(ADM))
    with pytest.raises(ValueError, match="--head-channels fixes"):
        convert(checkpoint, Settings(head_channels=8, heads=4))
    with pytest.raises(ValueError, match="attention heads of 48 channels do not divide 64"):
        convert(checkpoint, Settings(head_channels=48))


@pytest.mark.parametrize(
    ("wrap", "weights"),
    [
        (lambda t: {f"module.{name}": value for name, value in t.items()}, "as stored"),
        (lambda t: {"state_dict": t, "epoch": 3}, "`state_dict` of the checkpoint"),
        (lambda t: {"model": {name: value + 1.0 for name, value in t.items()}, "ema": t}, "`ema` of the checkpoint"),
        (
            lambda t: {"model_state_dict": {f"model.{n}": v for n, v in t.items()}},
            "`model_state_dict` of the checkpoint",
        ),
        (lambda t: {"iterations": 5, "state_dict": t}, "as stored"),
    ],
)
def test_an_adm_network_is_found_in_any_container(wrap: Any, weights: str) -> None:
    network = random_network({**ADM, "head_channels": 0})
    found = convert(wrap(prefixed(network)), Settings())
    assert (found.weights, found.preset) == (weights, "dds-aapm256")
    rebuilt = build_network(found.network, "test")
    rebuilt.load_state_dict(found.tensors)
    assert torch.equal(evaluate(rebuilt), evaluate(network))


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(
    ("channels", "outputs", "preset"),
    [
        (1, 2, "dds-aapm256"),
        (1, 1, "ddip-ellipses256"),
        (2, 4, "dds-fastmri-knee320"),
        (3, 6, "diffusionblend-aapm"),
    ],
)
def test_the_channels_choose_the_preset(channels: int, outputs: int, preset: str, wrapped: bool) -> None:
    tensors = prefixed(random_network({**ADM, "channels": channels, "outputs": outputs}))
    info = described({"iterations": 1, "state_dict": tensors} if wrapped else tensors)
    assert info.origin["preset"] == preset
    denoiser = build_denoiser(build_network(info.network, "test"), info.parametrisation, "test")
    assert denoiser.channels == info.channels == (1 if channels == 2 else channels)


def test_a_complex_network_sees_real_images() -> None:
    info = described(prefixed(random_network({**ADM, "channels": 2, "outputs": 4})))
    assert (info.modality, info.channels) == ("MR", 1) and "imaginary" not in info.network
    network = build_network(info.network, "test").eval()
    network.load_state_dict(random_network({**ADM, "channels": 2, "outputs": 4}).state_dict())
    denoiser = build_denoiser(network, info.parametrisation, "test").eval()
    x, sigma = torch.rand(1, 1, 16, 16), torch.tensor([0.3])
    root = (1.0 + sigma.square()).rsqrt()
    with torch.inference_mode():
        shown = torch.cat([x * root, torch.zeros_like(x)], dim=1)
        noise = network(shown, denoiser.timestep(sigma), torch.zeros(1))[:, :1]  # type: ignore[operator]
        estimate = denoiser(x, sigma, torch.zeros(1, dtype=torch.int64), torch.zeros(1))
    assert torch.allclose(estimate, x - sigma * noise, atol=1e-6)


def test_the_command_line_knows_every_option() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    importoptions.add_import(parser)
    given = {action.dest for action in parser._actions}
    assert set(ImportOptions.__dataclass_fields__) <= given
    line = [
        "f.pt",
        "--resample-filter",
        "--no-skip-rescale",
        "--centred",
        "--betas",
        "0.001",
        "0.02",
        "--labels",
        "1",
        "3",
    ]
    options = importoptions.read_import(parser.parse_args(line))
    assert (options.resample_filter, options.skip_rescale, options.centred) == ((), False, True)
    assert (options.betas, options.labels, options.scale_by_sigma) == ((0.001, 0.02), (1, 3), None)


def test_presets_name_what_they_are_for() -> None:
    for name, preset in PRESETS.items():
        assert preset_named(name, preset.layouts[0]) is preset
        known = ImportOptions.__dataclass_fields__
        assert all(field in known for field in preset.unpublished)
