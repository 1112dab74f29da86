"""Checkpoints with an ADM U-Net: DiffusionBlend's `{iterations, state_dict}`, and state dicts such as DDS's.

A state dict may be bare, as guided-diffusion writes it, or lie where trainers keep it, averaged weights preferred.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .choices import ADM, DIFFUSIONBLEND
from .converted import Converted, Settings, assumption, fit, multiples, named_tensors, shape_of

# All published configurations of this width have heads of 64 channels; elsewhere the code's default is 4 heads.
PUBLISHED_WIDTH = 256
PUBLISHED_HEAD_CHANNELS = 64
DEFAULT_HEADS = 4
# More than any published network has, and few enough to build.
MOST_BLOCKS = 1000
OPTIONS = frozenset({"head_channels", "heads", "heads_up", "new_attention_order"})
# Where trainers keep a state dict; averaged weights first.
_CONTAINERS = ("ema", "ema_model", "model_ema", "state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_GROWTH = re.compile(r"output_blocks\.(\d+)\.[1-9]\d*\.(?:in_layers\.0|conv)\.weight")
_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.0\..+")
_MARK = "time_embed.0.weight"


def recognises(checkpoint: object) -> bool:
    """Whether a checkpoint is a state dict of an ADM U-Net, bare or in a container."""
    return bool(_place(checkpoint)[1])


def recognises_wrapped(checkpoint: object) -> bool:
    """Whether a checkpoint has DiffusionBlend's layout."""
    return isinstance(checkpoint, Mapping) and "state_dict" in checkpoint and "iterations" in checkpoint


def convert_wrapped(checkpoint: Mapping[str, Any], settings: Settings) -> Converted:
    """The network of a DiffusionBlend checkpoint.

    Raises:
        ValueError: something is missing or does not fit.
    """
    if "state_dict" not in checkpoint:
        raise ValueError("the checkpoint has no `state_dict`")
    tensors = named_tensors(checkpoint["state_dict"], "state_dict", *_PREFIXES)
    return _convert(tensors, settings, DIFFUSIONBLEND, "as stored")


def convert(checkpoint: Mapping[str, Any], settings: Settings) -> Converted:
    """The network of a state dict.

    Raises:
        ValueError: something is missing or does not fit.
    """
    name, found = _place(checkpoint)
    values, where = (found, name or "the checkpoint") if found else (checkpoint, "the checkpoint")
    weights = "as stored" if not name else f"`{name}` of the checkpoint"
    return _convert(named_tensors(values, where, *_PREFIXES), settings, ADM, weights)


def _place(checkpoint: object) -> tuple[str, Mapping[str, Any]]:
    """The container that holds the state dict (empty for none) and what it holds."""
    if not isinstance(checkpoint, Mapping):
        return "", {}
    for name in ("", *_CONTAINERS):
        values = checkpoint.get(name) if name else checkpoint
        if isinstance(values, Mapping) and any(str(key).endswith(_MARK) for key in values):
            return name, values
    return "", {}


def _convert(tensors: Mapping[str, Tensor], settings: Settings, layout: str, weights: str) -> Converted:
    network = architecture(tensors)
    heads, assumed = _heads(network["width"], settings)
    return Converted(
        layout=layout,
        preset=_preset(network),
        network={**network, **heads},
        tensors=fit({**network, **heads}, tensors),
        parametrisation={"kind": "vp"},
        weights=weights,
        assumed=assumed,
    )


def _preset(network: Mapping[str, Any]) -> str:
    """The published configuration that a network resembles most."""
    if network["channels"] == 1:
        return "dds-aapm256" if network["outputs"] > 1 else "ddip-ellipses256"
    return "dds-fastmri-knee320" if network["channels"] == 2 else "diffusionblend-aapm"


def _heads(width: int, settings: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How the attention is split, which no tensor tells, and what of it had to be assumed.

    Raises:
        ValueError: settings that contradict one another.
    """
    if settings.head_channels and (settings.heads or settings.heads_up):
        raise ValueError("--head-channels fixes the number of heads; --heads and --heads-up do not go with it")
    assumed = []
    found: dict[str, Any]
    if settings.head_channels:
        found = {"head_channels": settings.head_channels}
    elif settings.heads:
        found = {"head_channels": 0, "heads": settings.heads, "heads_up": settings.heads_up}
    elif width == PUBLISHED_WIDTH and not settings.heads_up:
        found = {"head_channels": PUBLISHED_HEAD_CHANNELS}
        text = f"attention heads of {PUBLISHED_HEAD_CHANNELS} channels, as published networks of width {width} have"
        assumed.append(assumption(text, "--head-channels", "--heads"))
    else:
        found = {"head_channels": 0, "heads": DEFAULT_HEADS, "heads_up": settings.heads_up}
        assumed.append(assumption(f"{DEFAULT_HEADS} attention heads", "--head-channels", "--heads"))
    if not found["head_channels"] and not settings.heads_up:
        assumed.append(assumption("as many attention heads on the way up", "--heads-up"))
    found["qkv_first"] = bool(settings.new_attention_order)
    if settings.new_attention_order is None:
        text = "attention heads split before queries, keys and values (the older order)"
        assumed.append(assumption(text, "--new-attention-order"))
    return found, tuple(assumed)


def architecture(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of `ADMUNet` but for the heads, from names and shapes.

    Raises:
        ValueError: not the tensors of an ADM U-Net.
    """
    width = shape_of(tensors, "time_embed.0.weight", 2)[1]
    channels = shape_of(tensors, "input_blocks.0.0.weight", 4)[1]
    outputs = shape_of(tensors, "out.2.weight", 4)[0]
    if outputs not in (channels, 2 * channels):
        raise ValueError(f"{outputs} outputs for {channels} inputs are neither noise nor noise and variance")
    levels, blocks = _levels(tensors)
    firsts = [1 + level * (blocks + 1) for level in range(levels)]
    sizes = [shape_of(tensors, f"input_blocks.{first}.0.in_layers.2.weight", 4)[0] for first in firsts]
    condition = shape_of(tensors, "input_blocks.1.0.emb_layers.1.weight", 2)[0]
    return {
        "class": "ADMUNet",
        "channels": channels,
        "outputs": outputs,
        "width": width,
        "multipliers": multiples(sizes, width),
        "blocks": blocks,
        "attention_levels": [i for i, first in enumerate(firsts) if f"input_blocks.{first}.1.qkv.weight" in tensors],
        "labels": shape_of(tensors, "label_emb.weight", 2)[0] if "label_emb.weight" in tensors else 0,
        "scale_shift": condition == 2 * sizes[0],
        "block_resampling": levels > 1 and f"input_blocks.{blocks + 1}.0.in_layers.0.weight" in tensors,
        "conv_resampling": levels == 1 or f"input_blocks.{blocks + 1}.0.op.weight" in tensors,
    }


def _levels(tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """Levels, and residual blocks of a level on the way down.

    Raises:
        ValueError: not the blocks of an ADM U-Net.
    """
    places = {(match[1], int(match[2])) for name in tensors if (match := _BLOCK.fullmatch(name))}
    stages = 1 + max((place for side, place in places if side == "output"), default=-1)
    if not 2 <= stages <= MOST_BLOCKS:
        raise ValueError(f"{stages} output_blocks are no ADM U-Net")
    growths = sorted({int(match[1]) for name in tensors if (match := _GROWTH.fullmatch(name))})
    # Steps down without a convolution have no tensors: their places are empty.
    empty = [place for place in range(stages) if ("input", place) not in places]
    # The last of a level's n + 1 blocks on the way up grows; so does the block count before the first step down.
    blocks = growths[0] if growths else empty[0] - 1 if empty else stages - 1
    if blocks < 1 or stages % (blocks + 1):
        raise ValueError(f"{stages} output_blocks with {blocks} blocks a level are no ADM U-Net")
    return stages // (blocks + 1), blocks
