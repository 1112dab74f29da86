"""Checkpoints of score_sde and its descendants: MSDiff, GMSD, DiffusionMBIR, ISCS.

`{optimizer, model, ema: {decay, num_updates, shadow_params}, step}`. The averaged weights are a list without names, in
the order of the trainable parameters; the Fourier frequencies and the noise levels, which are not trained, are only in
`model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...networks.fir import BINOMIAL
from ...networks.style import describe_taps
from ..bounds import check_tensors
from ..pack import build_network
from .choices import SCORE_SDE
from .converted import Converted, NotThisNetwork, Settings, assumption, fit, multiples, named_tensors, shape_of

OPTIONS = frozenset({"resample_filter", "skip_rescale", "scale_by_sigma", "centred", "activation"})
_MODULE = re.compile(r"all_modules\.(\d+)\.(.+)")


def recognises(checkpoint: object) -> bool:
    """Whether a checkpoint has this layout."""
    return isinstance(checkpoint, Mapping) and "model" in checkpoint and "ema" in checkpoint and not _of_adm(checkpoint)


def _of_adm(checkpoint: Mapping[str, Any]) -> bool:
    model = checkpoint["model"]
    return isinstance(model, Mapping) and any(str(name).endswith("time_embed.0.weight") for name in model)


def convert(checkpoint: Mapping[str, Any], settings: Settings) -> Converted:
    """The averaged network of a checkpoint.

    Raises:
        ValueError: something is missing or does not fit.
    """
    if "model" not in checkpoint or "ema" not in checkpoint:
        raise ValueError("the checkpoint has no `model` and `ema`")
    raw = named_tensors(checkpoint["model"], "model", "module.")
    style, assumed = _style(raw, settings)
    network = {**architecture(raw), **style}
    sigmas = raw["sigmas"].double()
    low, high = float(sigmas.min()), float(sigmas.max())
    if not 0.0 < low < high < 1e6:
        raise ValueError(f"sigmas: noise levels from {low:g} to {high:g} make no sense")
    tensors = {**raw, **_averaged(checkpoint["ema"], network)}
    return Converted(
        layout=SCORE_SDE,
        preset="iscs-ct" if network["input_pyramid"] == "residual" else "msdiff",
        network=network,
        tensors=fit(network, tensors),
        parametrisation={"kind": "ve", "data_range": [-1.0, 1.0] if network["centred"] else [0.0, 1.0]},
        weights="exponential moving average (ema)",
        sigma_range=(low, high),
        assumed=assumed,
    )


def _style(raw: Mapping[str, Tensor], settings: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arguments of `NCSNpp` that no shape tells, and what of them had to be assumed.

    Raises:
        ValueError: a filter where the tensors show that there is none, or none where they show one.
    """
    assumed = []
    strided = {_kind(module) for module in _parts_by_module(raw).values()}
    taps, filtered = settings.resample_filter, "strided input" in strided
    unfiltered = "unfiltered strided input" in strided
    if taps is None:
        taps = () if unfiltered else BINOMIAL
        if not unfiltered:
            assumed.append(assumption(f"resampling with the filter {describe_taps(taps)}", "--resample-filter"))
    elif bool(taps) is unfiltered and (filtered or unfiltered):
        raise ValueError(f"resample_filter: the tensors show that it resamples {'with' if filtered else 'without'} one")
    flags = {
        "skip_rescale": (True, "sums with a residual are divided by sqrt(2)", "--no-skip-rescale"),
        "scale_by_sigma": (True, "the output is divided by sigma", "--no-scale-by-sigma"),
        "centred": (False, "data in [0, 1], which the network itself doubles and shifts to [-1, 1]", "--centred"),
    }
    found: dict[str, Any] = {"resample_filter": list(taps)}
    for name, (usual, text, option) in flags.items():
        given = getattr(settings, name)
        found[name] = usual if given is None else given
        if given is None:
            assumed.append(assumption(text, option))
    found["activation"] = settings.activation or "swish"
    if not settings.activation:
        assumed.append(assumption("activation swish", "--activation"))
    return found, tuple(assumed)


def architecture(raw: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of `NCSNpp`, from names and shapes.

    Raises:
        ValueError: not the tensors of an NCSN++ with BigGAN blocks.
    """
    parts = _parts_by_module(raw)
    if "all_modules.0.W" not in raw and "all_modules.0.weight" in raw:
        raise ValueError("the first module is no Fourier embedding: score_sde's networks with timesteps are not read")
    width = shape_of(raw, "all_modules.0.W", 1)[0]
    channels = shape_of(raw, "all_modules.3.weight", 4)[1]
    noise_levels = shape_of(raw, "sigmas", 1)[0]
    kinds = {index: _kind(module) for index, module in parts.items()}
    plain = [index for index, kind in sorted(kinds.items()) if kind == "block"]
    resampling = sum(kind == "resampling block" for kind in kinds.values())
    levels = resampling // 2 + 1
    pyramid = {"added input": "input_skip", "strided input": "residual", "unfiltered strided input": "residual"}
    # Per level n blocks on the way down, n + 1 on the way up; two in the middle.
    blocks, odd = divmod(len(plain) - 2 - levels, 2 * levels)
    if resampling % 2 or odd or blocks < 1:
        raise ValueError(f"{len(plain)} residual blocks and {resampling} that resample are no NCSN++")
    sizes, attention_levels, index = [], [], 4
    for level in range(levels):
        for _ in range(blocks):
            if kinds.get(index) != "block":
                raise ValueError(f"all_modules.{index} is no residual block, as a network of {levels} levels wants")
            out = shape_of(raw, f"all_modules.{index}.Conv_0.weight", 4)[0]
            index += 1
            if kinds.get(index) == "attention":
                attention_levels.append(level)
                index += 1
        sizes.append(out)
        index += 2 if kinds.get(index + 1) in pyramid else 1
    found = sorted({pyramid[kind] for kind in kinds.values() if kind in pyramid})
    return {
        "class": "NCSNpp",
        "channels": channels,
        "width": width,
        "multipliers": multiples(sizes, width),
        "blocks": blocks,
        "attention_levels": sorted(set(attention_levels)),
        "input_pyramid": found[0] if found else "none",
        "output_pyramid": "output_skip" if sum(kind == "norm" for kind in kinds.values()) > 1 else "none",
        "noise_levels": noise_levels,
    }


def _parts_by_module(raw: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    parts: dict[int, dict[str, Tensor]] = {}
    for name, value in raw.items():
        if found := _MODULE.fullmatch(name):
            parts.setdefault(int(found[1]), {})[found[2]] = value
    return parts


def _kind(module: Mapping[str, Tensor]) -> str:
    if "Conv_1.weight" in module:
        first = module.get("Conv_0.weight")
        same = first is not None and first.ndim == 4 and first.shape[0] == first.shape[1]
        # A block has a shortcut convolution where its channels change or its resolution does.
        return "resampling block" if same and "Conv_2.weight" in module else "block"
    if "NIN_0.W" in module:
        return "attention"
    if "Conv2d_0.weight" in module:
        return "strided input"
    if "Conv_0.weight" in module:
        return "added input" if module["Conv_0.weight"].shape[2:] == (1, 1) else "unfiltered strided input"
    return "norm" if "weight" in module and module["weight"].ndim == 1 else "layer"


def _averaged(ema: object, network: Mapping[str, Any]) -> dict[str, Tensor]:
    shadow = ema.get("shadow_params") if isinstance(ema, Mapping) else None
    if not isinstance(shadow, (list, tuple)) or not all(isinstance(value, Tensor) for value in shadow):
        raise ValueError("ema: holds no list of averaged weights (shadow_params)")
    check_tensors(shadow)
    with torch.device("meta"):
        built = build_network(network, "checkpoint")
    trained = [(name, value) for name, value in built.named_parameters() if value.requires_grad]
    differences = []
    if len(shadow) != len(trained):
        differences.append(f"ema holds {len(shadow)} averaged weights, the network has {len(trained)}")
    for position, ((name, wanted), value) in enumerate(zip(trained, shadow, strict=False)):
        if value.shape != wanted.shape:
            shapes = f"shape {tuple(value.shape)}, not {tuple(wanted.shape)}"
            differences.append(f"ema weight {position} ({name}) has {shapes}")
    if differences:
        raise NotThisNetwork(differences)
    return {name: value for (name, _), value in zip(trained, shadow, strict=True)}
