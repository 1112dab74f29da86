"""The registry of methods of every task: one small file per method, found by itself, here or in other packages.

Importing it, and every method's file, needs neither torch nor numpy: what there is can be listed at once, by the
command line and by a panel whose computer has no torch yet. A method imports what it computes with inside its function.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from ..core.plugins import METHODS, loaded
from .work import Work

if TYPE_CHECKING:
    from torch import Tensor

# Tasks that have methods.
RECONSTRUCTION, SUPERRESOLUTION = "reconstruction", "superresolution"
# The pack that serves all methods on images.
DEFAULT_PRIOR = "ct-triplet-256"
# Packages whose modules register methods.
PACKAGES = ("ctdiffusion.methods", "ctdiffusion.superresolution.methods")
# Modules of those packages that register nothing.
_PARTS = ("registry", "problem", "work", "families")


@dataclass(frozen=True)
class Method:
    """A method of a task.

    Attributes:
        name: what a user types.
        title: what a user reads.
        summary: one sentence.
        source: the paper or text book it follows, with DOI or arXiv number.
        parameters: frozen dataclass of its parameters, declared with `ctdiffusion.core.schema.parameter`.
        run: for a reconstruction (`methods.problem.Problem`, parameters) -> attenuation volume `[slice, row, column]`
            in 1/mm; for a z super-resolution (`superresolution.stack.ThickStack`, parameters) -> thin slices
            `[slice, row, column]` in the working range.
        task: what it is a method of.
        beams: kinds of beams that it takes (`scan.beams`).
        needs_prior: whether it must be given a prior.
        prior_kind: of which kind that must be (see `priors.kinds`).
        default_prior: name of the pack that is taken unless another is named.
        presets: named sets of parameters, such as the published settings.
        work: parameters -> the work of one reconstruction, for estimates of time.
    """

    name: str
    title: str
    summary: str
    source: str
    parameters: type
    run: Callable[[Any, Any], Tensor]
    task: str = RECONSTRUCTION
    beams: tuple[str, ...] = ("parallel", "fan", "cone")
    needs_prior: bool = False
    prior_kind: str = "image"
    default_prior: str = DEFAULT_PRIOR
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    work: Callable[[Any], Work] = lambda parameters: Work(0.5)


_METHODS: dict[tuple[str, str], Method] = {}
_SEARCHED: set[str] = set()
_PLACES: set[tuple[str, ...]] = set()


def register(method: Method) -> Method:
    """Add a method; called once at the end of each method's file.

    Raises:
        ValueError: two methods of the same name.
    """
    key = (method.task, method.name)
    if key in _METHODS:
        raise ValueError(f"two methods are called {method.name!r}")
    _METHODS[key] = method
    return method


def methods(task: str = RECONSTRUCTION) -> dict[str, Method]:
    """All methods of a task by name, in alphabetical order. The first call imports every method's file; they are
    looked for again only where Python itself looks in other places than before.

    A file that cannot be imported is left out, and said once in a warning of the log `ctdiffusion`.
    """
    _search()
    return {name: method for (of, name), method in sorted(_METHODS.items()) if of == task}


def _search() -> None:
    # A panel asks many times a second, and reading the metadata of everything that is installed takes a while.
    places = tuple(sys.path)
    if places in _PLACES:
        return
    _PLACES.add(places)
    for name, load in _sources():
        if name in _SEARCHED:
            continue
        _SEARCHED.add(name)
        before = set(_METHODS)
        if loaded(name, load) is None:
            for key in set(_METHODS) - before:
                del _METHODS[key]


def method_named(name: str, task: str = RECONSTRUCTION) -> Method:
    """The method of that name.

    Raises:
        ValueError: there is none; the text names the nearest one, or all.
    """
    known = methods(task)
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, 1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    raise ValueError(f"method: {name!r} is unknown ({hint})")


def _sources() -> Iterator[tuple[str, Callable[[], object]]]:
    """Names of what registers methods, each with what imports it."""
    for package in PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if module.name not in _PARTS:
                name = f"{package}.{module.name}"
                yield name, lambda name=name: importlib.import_module(name)  # type: ignore[misc]
    for point in entry_points(group=METHODS):
        yield f"{point.name} ({point.value})", point.load
