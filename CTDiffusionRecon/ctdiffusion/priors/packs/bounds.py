"""Limits on what metadata or a checkpoint may ask to be built, held before anything is built.

Building costs time and memory for every layer, even without memory for the weights, so a layer number of 300,000 or
ten million blocks must be refused from the numbers alone. The limits lie far beyond every published network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

LARGEST_WEIGHTS = 4_000_000_000
LARGEST_MEMBERS = 8
MOST_TENSORS = 20_000
MOST_LEVELS = 10
MOST_BLOCKS = 64
# On all levels together.
MOST_BLOCKS_IN_ALL = 200
LARGEST_WIDTH = 8192
LARGEST_TABLE = 1_000_000
LARGEST_NUMBER = 1_000_000
# Arguments by name: (smallest, largest); of a list, those of every item.
_RANGES: dict[str, tuple[float, float]] = {
    "blocks": (0, MOST_BLOCKS),
    "layers_per_block": (0, MOST_BLOCKS),
    "num_layers": (0, MOST_BLOCKS),
    "transformer_layers_per_block": (0, MOST_BLOCKS),
    "width": (1, LARGEST_WIDTH),
    "widths": (1, LARGEST_WIDTH),
    "block_out_channels": (1, LARGEST_WIDTH),
    "condition": (1, LARGEST_WIDTH),
    "time_embedding_dim": (1, LARGEST_WIDTH),
    "multipliers": (0, 64),
    "attention_levels": (0, MOST_LEVELS),
    "channels": (1, 256),
    "slices": (1, 256),
    "in_channels": (1, 256),
    "out_channels": (1, 512),
    "outputs": (1, 512),
    "unshuffle": (1, 16),
    "heads": (0, LARGEST_WIDTH),
    "head_channels": (0, LARGEST_WIDTH),
    "labels": (0, LARGEST_TABLE),
    "num_class_embeds": (0, LARGEST_TABLE),
    "noise_levels": (1, LARGEST_TABLE),
    "levels": (1, LARGEST_TABLE),
}
# Lists that have an entry for every level of the network.
_BY_LEVEL = (
    "widths",
    "multipliers",
    "block_out_channels",
    "down_block_types",
    "up_block_types",
    "blocks",
    "attention_levels",
)


def check_description(description: Mapping[str, Any]) -> None:
    """Refuse a description of a network `{"class": ..., **arguments}` that is beyond every limit.

    Raises:
        ValueError: begins with the argument.
    """
    if not isinstance(description.get("class", ""), str):
        raise ValueError("class: must be a text")
    for name, value in description.items():
        if name != "members":
            _check(str(name)[:60], value)
    for name in ("blocks", "layers_per_block"):
        count = description.get(name)
        counts: list[Any] = list(count) if isinstance(count, (list, tuple)) else [count] * _levels(description)
        if sum(each for each in counts if _is_number(each)) > MOST_BLOCKS_IN_ALL:
            raise ValueError(f"{name}: more than {MOST_BLOCKS_IN_ALL} blocks on all levels together")
    members = description.get("members")
    if isinstance(members, (list, tuple)) and len(members) > LARGEST_MEMBERS:
        raise ValueError(f"members: {len(members)} networks, at most {LARGEST_MEMBERS} are taken")
    nested = [description.get("config"), *(members if isinstance(members, (list, tuple)) else ())]
    for part in nested:
        if isinstance(part, Mapping):
            check_description(part)


def check_tensors(tensors: Mapping[str, Tensor] | list[Tensor] | tuple[Tensor, ...]) -> None:
    """Refuse tensors of a checkpoint that are more, or larger, than a network's, or larger than what is stored of them.

    Raises:
        ValueError: names the first one.
    """
    if len(tensors) > MOST_TENSORS:
        raise ValueError(f"{len(tensors)} tensors; a network has at most {MOST_TENSORS}")
    named = tensors.items() if isinstance(tensors, Mapping) else enumerate(tensors)
    total = 0
    for name, tensor in named:
        if tensor.layout == torch.strided and tensor.device.type != "meta":
            stored = tensor.untyped_storage().nbytes()
            if tensor.numel() * tensor.element_size() > stored:
                # A stride of 0 makes gigabytes of one stored number.
                shape = tuple(tensor.shape)
                raise ValueError(f"{str(name)[:80]}: shape {shape} of {stored} stored bytes; its values are repeated")
        total += 4 * tensor.numel()
        if total > LARGEST_WEIGHTS:
            raise ValueError(f"the tensors take more than {LARGEST_WEIGHTS} bytes in single precision")


def _levels(description: Mapping[str, Any]) -> int:
    lists = (description.get(name) for name in ("multipliers", "widths", "block_out_channels"))
    return max((len(each) for each in lists if isinstance(each, (list, tuple))), default=4)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(name: str, value: Any) -> None:
    low, high = _RANGES.get(name, (-LARGEST_NUMBER, LARGEST_NUMBER))
    if isinstance(value, (list, tuple)):
        longest = MOST_LEVELS if name in _BY_LEVEL else LARGEST_TABLE if name == "levels" else 64
        if len(value) > longest:
            raise ValueError(f"{name}: {len(value)} entries, at most {longest} are taken")
        if not value and name in _BY_LEVEL and name != "attention_levels":
            raise ValueError(f"{name}: no entry; a network has at least one level")
        for item in value:
            _check(name, item)
    elif _is_number(value) and not low <= value <= high:
        shown = f"{value:g}" if isinstance(value, float) else str(value) if abs(value) < 10**20 else "a huge number"
        raise ValueError(f"{name}: must lie within {low:g} and {high:g}, got {shown}")
    elif isinstance(value, str) and len(value) > 200:
        raise ValueError(f"{name}: a text of {len(value)} characters")
