"""Checkpoints of CvG-Diff: `{net_param, epoch}` or the bare state dict, names with the prefix `denoise_fn.`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .choices import CVGDIFF
from .converted import Converted, Settings, fit, multiples, named_tensors, shape_of

OPTIONS: frozenset[str] = frozenset()
# More than any published network has, and few enough to build.
MOST_LEVELS, MOST_BLOCKS = 16, 64
_LEVEL = re.compile(r"down\.(\d+)\.block\.(\d+)\.conv1\.weight")


def recognises(checkpoint: object) -> bool:
    """Whether a checkpoint has this layout."""
    if not isinstance(checkpoint, Mapping):
        return False
    return "net_param" in checkpoint or any(str(name).endswith("temb.dense.0.weight") for name in checkpoint)


def convert(checkpoint: Mapping[str, Any], settings: Settings) -> Converted:
    """The restoring network of a checkpoint.

    Raises:
        ValueError: something is missing or does not fit.
    """
    values = checkpoint.get("net_param", checkpoint)
    tensors = named_tensors(values, "net_param", "module.", "denoise_fn.")
    network = architecture(tensors)
    return Converted(
        layout=CVGDIFF,
        preset="cvgdiff",
        network=network,
        tensors=fit(network, tensors),
        parametrisation={"kind": "cold"},
        weights="as stored (the authors keep averaged weights in a file of their own)",
    )


def architecture(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of `DDPMUNet`, from names and shapes.

    Raises:
        ValueError: not the tensors of a DDPM U-Net.
    """
    width, channels = shape_of(tensors, "conv_in.weight", 4)[:2]
    found = [match for name in tensors if (match := _LEVEL.fullmatch(name))]
    levels = 1 + max((int(match[1]) for match in found), default=-1)
    blocks = 1 + max((int(match[2]) for match in found), default=-1)
    if not levels:
        raise ValueError("the checkpoint has no tensor down.0.block.0.conv1.weight")
    if levels > MOST_LEVELS or blocks > MOST_BLOCKS:
        raise ValueError(f"{levels} levels of {blocks} blocks are no DDPM U-Net")
    sizes = [shape_of(tensors, f"down.{level}.block.0.conv1.weight", 4)[0] for level in range(levels)]
    return {
        "class": "DDPMUNet",
        "channels": channels,
        "width": width,
        "multipliers": multiples(sizes, width),
        "blocks": blocks,
        "attention_levels": [level for level in range(levels) if f"down.{level}.attn.0.q.weight" in tensors],
    }
