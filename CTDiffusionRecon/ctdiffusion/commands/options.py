"""Parameters as command-line options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.parameters import ParameterInfo, describe
from ..methods.registry import Method
from ..superresolution.registry import SliceMethod
from .methods import facts, option_name


def add_parameter(group: argparse._ArgumentGroup, info: ParameterInfo, prefix: str) -> None:
    """Add the option of one parameter; its value goes to `prefix` and the parameter's name."""
    option = f"--{option_name(info)}"
    text = f"{info.text} {facts(info)}".replace("%", "%%")
    settings: dict[str, Any] = {"dest": f"{prefix}{info.name}", "default": argparse.SUPPRESS, "help": text}
    if info.kind is bool:
        group.add_argument(option, action=argparse.BooleanOptionalAction, **settings)
    elif info.choices:
        group.add_argument(option, choices=info.choices, **settings)
    else:
        convert = _or_auto(info.kind) if info.optional else info.kind
        group.add_argument(option, type=convert, metavar=info.kind.__name__.upper(), **settings)


def add_method(parser: argparse.ArgumentParser, method: Method | SliceMethod, prefix: str) -> None:
    """Add the parameters of a method, and `--preset` where it has sets of them."""
    group = parser.add_argument_group(f"method {method.name}", method.summary)
    if method.presets:
        text = "set of parameters to start from; those given as options win"
        group.add_argument("--preset", choices=sorted(method.presets), help=text)
    for info in describe(method.parameters):
        add_parameter(group, info, prefix)


def named_method(argv: Sequence[str]) -> str | None:
    """The method that the arguments name, before they are understood as a whole."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--method", nargs="?")
    name: str | None = early.parse_known_args(argv)[0].method
    return name


def parameters_of(args: argparse.Namespace, method: Method | SliceMethod, prefix: str) -> dict[str, Any]:
    """The parameters that the arguments ask for: those of the preset, and over them those that were given."""
    name = getattr(args, "preset", None)
    preset = {} if name is None else method.presets[name]
    return {**preset, **given(args, prefix)}


def _or_auto(kind: type) -> Any:
    def convert(text: str) -> Any:
        return None if text == "auto" else kind(text)

    convert.__name__ = kind.__name__
    return convert


def given(args: argparse.Namespace, prefix: str) -> dict[str, Any]:
    """The parameters that were given, by name."""
    return {name[len(prefix) :]: value for name, value in vars(args).items() if name.startswith(prefix)}


def pack_for(method: Method | SliceMethod, name: str | None) -> str | None:
    """The name of a prior pack, or its folder as an absolute path.

    Raises:
        ValueError: the method uses no prior, and one was named.
    """
    if name is not None and not method.needs_prior:
        raise ValueError(f"prior: method {method.name} uses none")
    # A job may be resumed from another working directory.
    return os.path.abspath(name) if name is not None and Path(name).is_dir() else name


def absolute_input(name: str) -> str:
    """The input's path as an absolute one.

    Raises:
        ValueError: it is empty, which would be the working directory.
    """
    if not name.strip():
        raise ValueError("input: a path is needed")
    return os.path.abspath(name)
