"""What a layout makes of a checkpoint, and the proof that its tensors are those of the network it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..bounds import check_tensors
from ..pack import build_network


class NotThisNetwork(ValueError):
    """Tensors that do not fit the network; `differences` lists every one."""

    def __init__(self, differences: Sequence[str]) -> None:
        self.differences = list(differences)
        shown = "; ".join(self.differences[:3])
        super().__init__(f"the tensors do not fit the network ({len(self.differences)} differences): {shown}")


@dataclass(frozen=True)
class Settings:
    """What a checkpoint does not tell and the user may.

    What is 0, empty or None is taken from the tensors or, where they do not tell, from what is published.

    Attributes:
        layout: name of the layout, empty to recognise it.
        head_channels: feature channels of an attention head (ADM).
        heads: number of attention heads, whatever the channels (ADM).
        heads_up: number of them on the way up, where it is another one (ADM).
        new_attention_order: whether queries, keys and values are split before the heads (ADM).
        resample_filter: taps of the resampling filter; an empty one for none (NCSN++, EDM).
        skip_rescale: whether sums of a path and its residual are divided by sqrt(2) (NCSN++).
        scale_by_sigma: whether the output is divided by sigma (NCSN++).
        centred: whether the training data were centred about 0 (NCSN++).
        activation: swish, elu, relu or lrelu (NCSN++).
    """

    layout: str = ""
    head_channels: int = 0
    heads: int = 0
    heads_up: int = 0
    new_attention_order: bool | None = None
    resample_filter: tuple[float, ...] | None = None
    skip_rescale: bool | None = None
    scale_by_sigma: bool | None = None
    centred: bool | None = None
    activation: str = ""

    def given(self) -> set[str]:
        """Names of the settings that say something."""
        return {item.name for item in fields(self) if getattr(self, item.name) != item.default}


@dataclass(frozen=True)
class Converted:
    """A checkpoint as a network with weights.

    Attributes:
        layout: name of the layout.
        preset: the published configuration that it resembles most.
        network: class and arguments of the network.
        tensors: its weights.
        parametrisation: what is known of it; the preset adds the rest.
        sigma_range: trained noise levels where the checkpoint has them.
        weights: which of the checkpoint's weights these are.
        assumed: what was taken for granted because the checkpoint does not tell it.
        told: options whose value the checkpoint itself tells.
    """

    layout: str
    preset: str
    network: dict[str, Any]
    tensors: dict[str, Tensor]
    parametrisation: dict[str, Any]
    weights: str
    sigma_range: tuple[float, float] | None = None
    assumed: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def option_text(name: str) -> str:
    """The command line's name of an option."""
    return "--" + name.replace("_", "-")


def assumption(text: str, *options: str) -> str:
    """One line of what was assumed, with the options that say otherwise."""
    names = " or ".join(options)
    return f"{text} ({names} {'says' if len(options) == 1 else 'say'} otherwise)"


def fit(network: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32, if they are exactly those of the network.

    Raises:
        NotThisNetwork: lists every tensor that is missing, unexpected, of another shape, not real or not finite.
        ValueError: there is no such network.
    """
    wanted = network_tensors(network)
    differences = [f"missing {name} {tuple(value.shape)}" for name, value in wanted.items() if name not in tensors]
    for name, value in tensors.items():
        if name not in wanted:
            differences.append(f"unexpected {name} {tuple(value.shape)}")
        elif value.shape != wanted[name].shape:
            differences.append(f"{name} has shape {tuple(value.shape)}, not {tuple(wanted[name].shape)}")
        elif not value.is_floating_point() or value.layout != torch.strided:
            differences.append(f"{name} has type {value.dtype}, not real numbers")
        elif not bool(torch.isfinite(value).all()):
            differences.append(f"{name} holds values that are not finite")
    if differences:
        raise NotThisNetwork(differences)
    return {name: tensors[name].detach().to(torch.float32).contiguous() for name in wanted}


def network_tensors(network: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names and shapes of a network's tensors, without memory behind them.

    Raises:
        ValueError: there is no such network.
    """
    with torch.device("meta"):
        return dict(build_network(network, "checkpoint").state_dict())


def named_tensors(values: object, what: str, *prefixes: str) -> dict[str, Tensor]:
    """A checkpoint's mapping from names to tensors; a prefix is cut off where every name has it.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{what} is not a set of named tensors")
    tensors: dict[str, Tensor] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{what}: {str(name)[:80]!r} is not a tensor")
        tensors[name] = value
    check_tensors(tensors)
    for prefix in prefixes:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name[len(prefix) :]: value for name, value in tensors.items()}
    return tensors


def shape_of(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    """Shape of one tensor that the architecture is read from.

    Raises:
        ValueError: it is missing or has another number of dimensions.
    """
    if name not in tensors:
        raise ValueError(f"the checkpoint has no tensor {name}")
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions or min(shape) < 1:
        raise ValueError(f"{name} has shape {shape}, expected {dimensions} dimensions")
    return shape


def multiples(sizes: Sequence[int], unit: int) -> list[float]:
    """Channel numbers in units of the network's width: whole where they are, else fractions such as 0.5."""
    return [size // unit if size % unit == 0 else size / unit for size in sizes]
