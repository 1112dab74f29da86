"""Checkpoints with an ADM U-Net: DiffusionBlend's `{iterations, state_dict}` and bare state dicts such as DDS's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .converted import Converted, Settings, fit, multiples, named_tensors, shape_of

NAME = "adm"
WRAPPED = "diffusionblend"
# All published configurations of this width have heads of 64 channels; elsewhere the code's default is 4 heads.
PUBLISHED_WIDTH = 256
PUBLISHED_HEAD_CHANNELS = 64
DEFAULT_HEADS = 4
_GROWTH = re.compile(r"output_blocks\.(\d+)\.[1-9]\d*\.(?:in_layers\.0|conv)\.weight")


def recognises(checkpoint: object) -> bool:
    """Whether a checkpoint is a bare state dict of an ADM U-Net."""
    return isinstance(checkpoint, Mapping) and any(str(name).endswith("time_embed.0.weight") for name in checkpoint)


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
    return _convert(named_tensors(checkpoint["state_dict"], "state_dict", "module."), settings, WRAPPED)


def convert(checkpoint: Mapping[str, Any], settings: Settings) -> Converted:
    """The network of a bare state dict.

    Raises:
        ValueError: something is missing or does not fit.
    """
    return _convert(named_tensors(checkpoint, "the checkpoint", "module."), settings, NAME)


def _convert(tensors: Mapping[str, Tensor], settings: Settings, layout: str) -> Converted:
    network = architecture(tensors)
    assumed: tuple[str, ...] = ()
    if settings.head_channels:
        network["head_channels"] = settings.head_channels
    elif network["width"] == PUBLISHED_WIDTH:
        network["head_channels"] = PUBLISHED_HEAD_CHANNELS
    else:
        network["head_channels"], network["heads"] = 0, DEFAULT_HEADS
        assumed = (f"{DEFAULT_HEADS} attention heads (--head-channels says otherwise)",)
    return Converted(
        layout=layout,
        preset="diffusionblend-aapm" if network["channels"] > 1 else "dds-aapm256",
        network=network,
        tensors=fit(network, tensors),
        parametrisation={"kind": "vp"},
        weights="as stored",
        assumed=assumed,
    )


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
    growths = sorted({int(match[1]) for name in tensors if (match := _GROWTH.fullmatch(name))})
    levels = len(growths) + 1
    stages = 1 + max((int(name.split(".")[1]) for name in tensors if name.startswith("output_blocks.")), default=-1)
    # The last of a level's n + 1 blocks on the way up grows.
    blocks = (growths[0] if growths else stages - 1) or 1
    firsts = [1 + level * (blocks + 1) for level in range(levels)]
    sizes = [shape_of(tensors, f"input_blocks.{first}.0.in_layers.2.weight", 4)[0] for first in firsts]
    condition = shape_of(tensors, "input_blocks.1.0.emb_layers.1.weight", 2)[0]
    return {
        "class": "ADMUNet",
        "channels": channels,
        "outputs": outputs,
        "width": width,
        "multipliers": multiples(sizes, width, "input_blocks"),
        "blocks": blocks,
        "attention_levels": [i for i, first in enumerate(firsts) if f"input_blocks.{first}.1.qkv.weight" in tensors],
        "labels": shape_of(tensors, "label_emb.weight", 2)[0] if "label_emb.weight" in tensors else 0,
        "scale_shift": condition == 2 * sizes[0],
        "block_resampling": not any(name.endswith(".0.op.weight") for name in tensors),
    }
