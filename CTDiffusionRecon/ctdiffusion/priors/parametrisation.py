"""How the raw network of a pack becomes a denoiser: one builder per kind of parametrisation (contract C4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from .denoiser import Denoiser, EDMDenoiser
from .kind_names import COLD
from .preconditioned import PreconditionedDenoiser
from .ve import VEDenoiser
from .vp import VPDenoiser

# kind -> builder(network, **arguments). A builder raises TypeError or ValueError for arguments it does not take.
BUILDERS: dict[str, Callable[..., Denoiser]] = {
    "edm": EDMDenoiser,
    "preconditioned": PreconditionedDenoiser,
    "ve": VEDenoiser,
    "vp": VPDenoiser,
}


def build_denoiser(network: nn.Module, description: Mapping[str, Any], where: str) -> Denoiser:
    """The denoiser that `{"kind": ..., **arguments}` makes of a network.

    Raises:
        ValueError: an unknown kind, or arguments it does not take.
    """
    kind = description.get("kind")
    if kind == COLD:
        raise ValueError(f"prior: {where}: this network restores images of sparse scans; it does not remove noise")
    if kind not in BUILDERS:
        raise ValueError(f"prior: {where}: parametrisation.kind must be one of {', '.join(BUILDERS)}, got {kind!r}")
    try:
        return BUILDERS[kind](network, **{k: v for k, v in description.items() if k != "kind"})
    except (TypeError, ValueError) as error:
        raise ValueError(f"prior: {where}: parametrisation: {error}") from None
