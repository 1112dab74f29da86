"""What a z super-resolution method is given, and the registry of methods: one small file per method."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..core.monitor import Monitor
from ..core.noise import NoiseSource
from ..core.units import AttenuationScale
from ..operators.slice_average import SliceAverage
from ..priors.prior import Prior


@dataclass(frozen=True)
class ThickStack:
    """Everything a method may use (contract C5). There is no reference volume in it.

    Attributes:
        thick: measured thick slices `[slice, row, column]` in the working range, where 0 to 1 is what a prior was
            trained on: [-1000, 1600] HU for CT, 0 to the robust maximum for MR.
        operator: thin to thick slices.
        spacing: of the thin grid in mm, (slice, row, column).
        unit: width of the working range in HU or per mille; what "1" means to a user.
        noise: the noise source of the job.
        monitor: progress, cancel and resume.
        prior: the prior, for methods that need one.
    """

    thick: Tensor
    operator: SliceAverage
    spacing: tuple[float, float, float]
    unit: float
    noise: NoiseSource
    monitor: Monitor
    prior: Prior | None = None

    def preview(self, x: Tensor) -> Tensor:
        """The working range as the attenuation that a preview shows from black to white."""
        return AttenuationScale().to_mu(2000.0 * x - 1000.0)


@dataclass(frozen=True)
class SliceMethod:
    """A z super-resolution method; the attributes are those of `methods.registry.Method`.

    Attributes:
        run: (stack, parameters) -> thin slices `[slice, row, column]` in the working range.
    """

    name: str
    title: str
    summary: str
    source: str
    parameters: type
    run: Callable[[ThickStack, Any], Tensor]
    needs_prior: bool = False
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_METHODS: dict[str, SliceMethod] = {}


def register(method: SliceMethod) -> SliceMethod:
    """Add a method; called once at the end of each method's file.

    Raises:
        ValueError: two methods of the same name.
    """
    if method.name in _METHODS:
        raise ValueError(f"two super-resolution methods are called {method.name!r}")
    _METHODS[method.name] = method
    return method


def slice_methods() -> dict[str, SliceMethod]:
    """All methods by name, in alphabetical order."""
    package = f"{__package__}.methods"
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
    return dict(sorted(_METHODS.items()))


def slice_method_named(name: str) -> SliceMethod:
    """The method of that name.

    Raises:
        ValueError: there is none; the text lists those that exist.
    """
    known = slice_methods()
    if name not in known:
        raise ValueError(f"method: {name!r} is unknown (known: {', '.join(known)})")
    return known[name]
