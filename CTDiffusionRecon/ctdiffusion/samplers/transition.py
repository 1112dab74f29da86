"""The steps that the option `transition` names: how the samplers of the DDS family reach the next noise level."""

from __future__ import annotations

import math
from collections.abc import Callable

from .choices import TRANSITIONS
from .context import Level, Step
from .steps.ancestral import ancestral, fresh_share
from .steps.dds import dds
from .steps.renew import renew

# The name that jobs of version 1 have for `dds` with the share sqrt(eta); DiffPIR is a method of its own.
FORMER = "diffpir"


def step_named(name: str, eta: float) -> Step:
    """The step called `name`; `eta` is its share of fresh noise, which `renew` does without.

    Raises:
        ValueError: an unknown name.
    """
    known: dict[str, Callable[[], Step]] = {
        "dds": lambda: dds(eta),
        "renew": lambda: renew,
        "ancestral": lambda: ancestral(eta),
        FORMER: lambda: dds(math.sqrt(eta)),
    }
    return known[_checked(name)]()


def fresh_noise_named(name: str, eta: float) -> Callable[[Level], float]:
    """The same as the share of fresh noise at a level.

    Raises:
        ValueError: an unknown name.
    """
    known: dict[str, Callable[[Level], float]] = {
        "dds": lambda level: eta,
        "renew": lambda level: 1.0,
        "ancestral": lambda level: fresh_share(eta, level),
        FORMER: lambda level: math.sqrt(eta),
    }
    return known[_checked(name)]


def former_transition(name: str, eta: float) -> list[str]:
    """What has to be said about a name of version 1; nothing about the others."""
    if name != FORMER:
        return []
    return [
        f"transition: {FORMER} is version 1's name for dds with eta {math.sqrt(eta):.3g}, which it is taken as; "
        "DiffPIR, whose noise follows from the estimate after data consistency, is the method diffpir"
    ]


def _checked(name: str) -> str:
    if name not in TRANSITIONS:
        raise ValueError(f"transition: {name!r} is unknown (known: {', '.join(TRANSITIONS)})")
    return name
