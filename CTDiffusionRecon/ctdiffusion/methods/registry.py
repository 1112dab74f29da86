"""The registry of methods: one small file per method, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..core.monitor import Monitor
from ..core.noise import NoiseSource
from ..operators.base import LinearOperator
from ..scan.beams import Grid
from ..scan.projections import Projections

if TYPE_CHECKING:
    from ..priors.kinds import AnyPrior

# The pack that serves all methods on images.
DEFAULT_PRIOR = "ct-triplet-256"


@dataclass(frozen=True)
class Problem:
    """Everything a method may use (contract C5). There is no reference volume in it.

    Attributes:
        projections: the measurement.
        operator: the projector of its geometry on `grid`.
        grid: the voxel grid to reconstruct on.
        noise: the noise source of the job.
        monitor: progress, cancel and resume.
        prior: the prior, for methods that need one.
    """

    projections: Projections
    operator: LinearOperator
    grid: Grid
    noise: NoiseSource
    monitor: Monitor
    prior: AnyPrior | None = None


@dataclass(frozen=True)
class Method:
    """A reconstruction method.

    Attributes:
        name: what a user types.
        title: what a user reads.
        summary: one sentence.
        source: the paper or text book it follows, with DOI or arXiv number.
        parameters: frozen dataclass of its parameters, declared with `ctdiffusion.core.parameters.parameter`.
        run: (problem, parameters) -> attenuation volume `[slice, row, column]` in 1/mm.
        needs_prior: whether `problem.prior` must be there.
        prior_kind: of which kind it must be (see `priors.kinds`).
        default_prior: name of the pack that is taken unless another is named.
        presets: named sets of parameters, such as the published settings.
        evaluations: network evaluations of a slice for each noise level, for estimates of time.
    """

    name: str
    title: str
    summary: str
    source: str
    parameters: type
    run: Callable[[Problem, Any], Tensor]
    needs_prior: bool = False
    prior_kind: str = "image"
    default_prior: str = DEFAULT_PRIOR
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    evaluations: float = 1.0


_METHODS: dict[str, Method] = {}


def register(method: Method) -> Method:
    """Add a method; called once at the end of each method's file.

    Raises:
        ValueError: two methods of the same name.
    """
    if method.name in _METHODS:
        raise ValueError(f"two methods are called {method.name!r}")
    _METHODS[method.name] = method
    return method


def methods() -> dict[str, Method]:
    """All methods by name, in alphabetical order. Imports every file of this package on the first call."""
    package = __package__ or "ctdiffusion.methods"
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name != "registry":
            importlib.import_module(f"{package}.{module.name}")
    return dict(sorted(_METHODS.items()))


def method_named(name: str) -> Method:
    """The method of that name.

    Raises:
        ValueError: there is none; the text lists those that exist.
    """
    known = methods()
    if name not in known:
        raise ValueError(f"method: {name!r} is unknown (known: {', '.join(known)})")
    return known[name]
