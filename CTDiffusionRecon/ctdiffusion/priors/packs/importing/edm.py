"""Networks that EDM's code trained (Karras et al. 2022): its pickles, and state dicts with its tensor names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...networks.fir import BOX
from ...networks.style import describe_taps
from .choices import EDM
from .converted import Converted, Settings, assumption, fit, multiples, named_tensors, shape_of
from .edmpickle import Snapshot

OPTIONS = frozenset({"resample_filter"})
# How the loaded pickle is handed on.
SNAPSHOT = "edm snapshot"
PRECONDITIONINGS = {"EDMPrecond": "edm", "VPPrecond": "vp", "VEPrecond": "ve"}
_MARK = "map_layer0.weight"
_PART = re.compile(r"(enc|dec)\.(\d+)x(\d+)_([a-z0-9_]+?)\.(.+)")
_BLOCK = re.compile(r"block(\d+)")
# More than any published network has, and few enough to build.
_MOST_LEVELS, _MOST_BLOCKS = 16, 64


def recognises(checkpoint: object) -> bool:
    """Whether a checkpoint is a pickle of EDM's, as it was loaded, or a state dict with its names."""
    if not isinstance(checkpoint, Mapping):
        return False
    return SNAPSHOT in checkpoint or any(str(name).endswith(_MARK) for name in checkpoint)


def convert(checkpoint: Mapping[str, Any], settings: Settings) -> Converted:
    """The network of a checkpoint.

    Raises:
        ValueError: something is missing or does not fit, or another network or preconditioning than are read.
    """
    found = checkpoint.get(SNAPSHOT)
    snapshot = found if isinstance(found, Snapshot) else Snapshot(dict(checkpoint), ("", ""))
    tensors = named_tensors(snapshot.state, "the network", "module.", "model.")
    # What augmented training images were told; images that are not are told nothing.
    tensors.pop("map_augment.weight", None)
    taps, assumed = _taps(tensors, settings)
    tensors = {name: value for name, value in tensors.items() if not name.endswith("resample_filter")}
    network = {**architecture(tensors, snapshot.classes[1]), "resample_filter": list(taps)}
    parametrisation, told = _preconditioning(snapshot)
    bounds = _sigma_range(snapshot.numbers)
    return Converted(
        layout=EDM,
        preset="dcpnpdp-abdomen",
        network=network,
        tensors=fit(network, tensors),
        parametrisation=parametrisation,
        weights="exponential moving average (ema)" if found else "as stored",
        sigma_range=bounds,
        assumed=assumed,
        told=(*told, "sigma_range") if bounds else told,
    )


def architecture(tensors: Mapping[str, Tensor], class_name: str = "") -> dict[str, Any]:
    """The arguments of `SongUNet` but for the filter, from names and shapes.

    Raises:
        ValueError: not the tensors of one.
    """
    if class_name not in ("", "SongUNet") or "out_norm.weight" in tensors:
        raise ValueError(f"only EDM's SongUNet (DDPM++, NCSN++) is read, not {class_name or 'DhariwalUNet'}")
    parts = [match for name in tensors if (match := _PART.fullmatch(name))]
    encoder = [match for match in parts if match[1] == "enc"]
    levels = len({match[2] for match in encoder})
    blocks = 1 + max((int(b[1]) for match in encoder if (b := _BLOCK.fullmatch(match[4]))), default=-1)
    if not (1 <= levels <= _MOST_LEVELS and 1 <= blocks <= _MOST_BLOCKS):
        raise ValueError(f"{levels} levels of {blocks} blocks are no SongUNet")
    resolution = max(int(match[2][:6]) for match in encoder)
    sides = [f"{resolution >> level}x{resolution >> level}" for level in range(levels)]
    width, channels = shape_of(tensors, f"enc.{sides[0]}_conv.weight", 4)[:2]
    sizes = [shape_of(tensors, f"enc.{side}_block0.conv0.weight", 4)[0] for side in sides]
    condition, features = shape_of(tensors, _MARK, 2)
    kinds = {match[4] for match in encoder}
    ends = sum(match[4] == "aux_norm" and match[5] == "weight" for match in parts)
    return {
        "class": "SongUNet",
        "channels": channels,
        "resolution": resolution,
        "width": width,
        "multipliers": multiples(sizes, width),
        "blocks": blocks,
        "attention_levels": [i for i, side in enumerate(sides) if f"enc.{side}_block0.qkv.weight" in tensors],
        "embedding": "fourier" if "map_noise.freqs" in tensors else "positional",
        "noise_features": features,
        "condition": condition,
        "encoder": "residual" if "aux_residual" in kinds else "skip" if "aux_skip" in kinds else "standard",
        "decoder": "skip" if ends > 1 else "standard",
        "labels": shape_of(tensors, "map_label.weight", 2)[1] if "map_label.weight" in tensors else 0,
    }


def _taps(tensors: Mapping[str, Tensor], settings: Settings) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The taps of the resampling filter, which lies beside the weights, and what had to be assumed.

    Raises:
        ValueError: filters that differ, or another one than the settings say.
    """
    stored = [value.double() for name, value in tensors.items() if name.endswith("resample_filter")]
    if not stored:
        if settings.resample_filter is not None:
            return tuple(settings.resample_filter) or BOX, ()
        return BOX, (assumption(f"resampling with the filter {describe_taps(BOX)}", "--resample-filter"),)
    kernel = stored[0]
    if kernel.ndim != 4 or kernel.shape[:2] != (1, 1) or not bool((kernel.sum((0, 1, 3)) > 0).all()):
        raise ValueError(f"resample_filter: shape {tuple(kernel.shape)} or values are no filter's")
    line = kernel.sum((0, 1, 3))
    outer = torch.outer(line, line)[None, None]
    if any(value.shape != outer.shape or not torch.allclose(value, outer, atol=1e-6) for value in stored):
        raise ValueError("resample_filter: the filters differ, or are not the same in rows and columns")
    found = tuple(round(float(tap), 6) for tap in line / line[0])
    if settings.resample_filter is not None and [float(t) for t in settings.resample_filter or BOX] != list(found):
        raise ValueError(f"resample_filter: the file says {describe_taps(found)}")
    return found, ()


def _preconditioning(snapshot: Snapshot) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How the network becomes a denoiser, and which options the file leaves nothing to say to."""
    name, numbers = snapshot.classes[0], snapshot.numbers
    if not name:
        return {"kind": "preconditioned", "preconditioning": "edm", "data_deviation": 0.5}, ()
    if name not in PRECONDITIONINGS:
        raise ValueError(f"only networks in {', '.join(PRECONDITIONINGS)} are read, not in {name[:60]}")
    kind = PRECONDITIONINGS[name]
    found: dict[str, Any] = {"kind": "preconditioned", "preconditioning": kind}
    told = ["preconditioning"]
    if kind == "edm" and "sigma_data" in numbers:
        found["data_deviation"] = numbers["sigma_data"]
        told.append("data_deviation")
    if kind == "vp":
        names = {"beta_d": "beta_d", "beta_min": "beta_min", "steps": "M"}
        found |= {own: numbers[theirs] for own, theirs in names.items() if theirs in numbers}
        found["steps"] = int(found.get("steps", 1000))
    return found, tuple(told)


def _sigma_range(numbers: Mapping[str, float]) -> tuple[float, float] | None:
    """The noise levels that the preconditioning supports, where it bounds them."""
    low, high = numbers.get("sigma_min", 0.0), numbers.get("sigma_max", math.inf)
    return (low, high) if 0.0 < low < high < math.inf else None
