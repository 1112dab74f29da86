"""Declared fields as command-line options, and options back as a specification. Needs no torch."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from ..core.regularfile import read_regular
from ..core.schema import ParameterInfo, describe
from ..jobs.spec import SCHEMA, Specification
from ..jobs.tasks import Task
from ..methods.registry import Method, method_named, methods
from .methods import facts, option_name
from .parser import Parser, did_you_mean

# Where the values of options go: fields of the specification, of a nested one, and parameters of the method.
_FIELD, _PARAMETER = "field:", "parameter:"
# What people type for a word that has another name here.
_ALIASES = {"gpu": "cuda"}
# A list of as many numbers as a job may have is shorter.
MOST_LIST_BYTES = 4_000_000
# Fields that are not options of their own: what `INPUT`, `--method` and the method's options say.
_SPECIAL = ("input", "method", "parameters")


def add_task(parser: argparse.ArgumentParser, task: Task, without: Sequence[str] = ()) -> None:
    """Add the method and every field of a task's specification but those in `without`."""
    parser.set_defaults(task=task)
    text = f"one of {', '.join(methods(task.name))} ({task.default_method})"
    parser.add_argument("--method", default=task.default_method, metavar="NAME", help=text)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for info in describe(task.specification):
        if info.name in (*_SPECIAL, *without):
            continue
        name = info.group or "input"
        if name not in groups:
            groups[name] = parser.add_argument_group(name)
        if is_dataclass(info.kind):
            for inner in describe(info.kind):
                add_parameter(groups[name], inner, f"{_FIELD}{info.name}.")
        else:
            add_parameter(groups[name], info, _FIELD)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add where the result goes and how its making is told."""
    parser.add_argument("-o", "--output", metavar="OUT", help="job folder, or a file (.nrrd, .nii.gz, .nii, .mha)")
    parser.add_argument("--json", action="store_true", help="print every event as one JSON line")
    parser.add_argument("--dicom", action="store_true", help="make OUT a folder with a DICOM series")
    text = "say what would be done and how long it would take, and do nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)


def add_method(parser: argparse.ArgumentParser, argv: Sequence[str], task: Task) -> None:
    """Add the parameters of the method that `argv` names, or of the default one, and `--preset` where it has any.

    Raises:
        ValueError: there is no such method.
    """
    try:
        method = method_named(_named_method(argv) or task.default_method, task.name)
    except ValueError as error:
        raise ValueError(as_options(str(error))) from None
    group = parser.add_argument_group(f"method {method.name}", method.summary)
    if method.presets:
        text = "set of parameters to start from; those given as options win"
        known = tuple(sorted(method.presets))
        group.add_argument("--preset", type=_choice(known), metavar="{" + ",".join(known) + "}", help=text)
    for info in describe(method.parameters):
        add_parameter(group, info, _PARAMETER)
    if isinstance(parser, Parser):
        own = [f"--{option_name(info)}" for info in describe(method.parameters)]
        text = f"method {method.name} has no such parameter (its own: {', '.join(own) or 'none'})"
        elsewhere = {info.name for other in methods(task.name).values() for info in describe(other.parameters)}
        parser.explained |= {f"--{name.replace('_', '-')}": text for name in elsewhere}


def specification(args: argparse.Namespace, **values: Any) -> Specification:
    """The specification that the arguments describe; `values` are fields that a command understood itself.

    Raises:
        ValueError: a value that the specification refuses; the text names the option.
    """
    task: Task = args.task
    fields: dict[str, Any] = {}
    for name, value in _given(args, _FIELD).items():
        owner, _, inner = name.rpartition(".")
        (fields.setdefault(owner, {}) if owner else fields)[inner] = value
    try:
        method = method_named(args.method, task.name)
        prior = _pack_for(method, fields.get("prior"))
        head = {"schema": SCHEMA, "task": task.name, "input": _absolute_input(args.input), "method": args.method}
        return task.specification.from_dict(
            {**head, "parameters": _parameters_of(args, method), **fields, "prior": prior, **values}
        )
    except ValueError as error:
        raise ValueError(as_options(str(error))) from None


def as_options(text: str) -> str:
    """A message about a specification, in the words of the command line."""
    if text.startswith("spec.views: missing"):
        return "--views N or --angles-deg is needed"
    text = text.replace("spec.parameters.", "spec.").replace("spec.simulation.", "spec.")
    text = re.sub(r"^(spec\.)?(input)\b", "INPUT", text)
    return re.sub(r"^(?:spec\.)?([a-z_]+)(?=[:.\[])", lambda found: "--" + found[1].replace("_", "-"), text)


def add_parameter(group: argparse._ArgumentGroup, info: ParameterInfo, prefix: str) -> None:
    """Add the option of one declared field; its value goes to `prefix` and the field's name."""
    names = [f"--{option_name(info)}"]
    if info.name == "limited_deg":
        # Degrees are all that a person types.
        names.append("--limited")
    text = f"{info.text} {facts(info)}".replace("%", "%%")
    settings: dict[str, Any] = {"dest": f"{prefix}{info.name}", "default": argparse.SUPPRESS, "help": text}
    if info.kind is bool:
        group.add_argument(*names, action=argparse.BooleanOptionalAction, **settings)
    elif info.choices:
        group.add_argument(*names, type=_choice(info.choices), metavar="{" + ",".join(info.choices) + "}", **settings)
    elif info.kind is tuple:
        convert, shown = _several(info)
        group.add_argument(*names, type=convert, metavar=shown, **settings)
    else:
        group.add_argument(*names, type=_one(info), metavar=info.kind.__name__.upper(), **settings)


def _named_method(argv: Sequence[str]) -> str | None:
    """The method that the arguments name, before they are understood as a whole."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--method", nargs="?")
    name: str | None = early.parse_known_args(argv)[0].method
    return name


def _parameters_of(args: argparse.Namespace, method: Method) -> dict[str, Any]:
    """The parameters that the arguments ask for: those of the preset, and over them those that were given."""
    name = getattr(args, "preset", None)
    preset = {} if name is None else method.presets[name]
    return {**preset, **_given(args, _PARAMETER)}


def _given(args: argparse.Namespace, prefix: str) -> dict[str, Any]:
    """The values that were given, by name."""
    return {name[len(prefix) :]: value for name, value in vars(args).items() if name.startswith(prefix)}


def _choice(known: tuple[str, ...]) -> Callable[[str], str]:
    """How one of several words is read."""

    def convert(text: str) -> str:
        word = _ALIASES.get(text, text)
        if word not in known:
            hint = did_you_mean(text.lower(), known)
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(known)}, got {text!r}{hint}")
        return word

    return convert


def _one(info: ParameterInfo) -> Callable[[str], Any]:
    """How a single value is read; `auto` stands for none where none is allowed."""

    def convert(text: str) -> Any:
        if info.optional and text == "auto":
            return None
        try:
            return info.kind(text)
        except ValueError:
            word = {int: "a whole number", float: "a number"}[info.kind]
            raise argparse.ArgumentTypeError(f"expected {word}{or_auto}, got {text!r}") from None

    or_auto = " or auto" if info.optional else ""
    return convert


def _several(info: ParameterInfo) -> tuple[Callable[[str], list[Any]], str]:
    """How a list of numbers is read: two as A:B, any number as a list with commas or a text file of them."""
    if info.length is None:
        return lambda text: numbers_of(text, info.item), "LIST|FILE"

    if info.item is int:
        return slices_of, "A-B|A:B|A"

    def convert(text: str) -> list[Any]:
        try:
            values = [info.item(part) for part in text.split(":")]
        except ValueError:
            values = []
        if len(values) != info.length:
            raise argparse.ArgumentTypeError(f"expected START:SPAN, got {text!r}")
        return values

    return convert, "START:SPAN"


def slices_of(text: str) -> list[int]:
    """The first slice and the one after the last: `24-39` and `24:40` are the same sixteen, `30` is one.

    Raises:
        argparse.ArgumentTypeError: none of these.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:([-:])\s*(\d{1,9}))?\s*", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected A-B (both included), A:B (B excluded) or A, got {text!r}")
    first, last = int(found[1]), int(found[3] or found[1])
    return [first, last if found[2] == ":" else last + 1]


def numbers_of(text: str, kind: type = float) -> list[Any]:
    """Numbers apart by commas or white space, in a text or in the text file that it names.

    Raises:
        argparse.ArgumentTypeError: neither.
    """
    if not set(text) <= set("0123456789+-.eE, \t"):
        try:
            text = read_regular(text, MOST_LIST_BYTES).decode("utf-8")
        except UnicodeDecodeError:
            raise argparse.ArgumentTypeError(f"{text}: not UTF-8 text") from None
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except OSError as error:
            raise argparse.ArgumentTypeError(f"{text}: {error.strerror or error}") from None
    try:
        return [kind(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)[:100]) from None


def _pack_for(method: Method, name: str | None) -> str | None:
    """The name of a prior pack, or its folder as an absolute path.

    Raises:
        ValueError: the method uses no prior, and one was named.
    """
    if name is not None and not method.needs_prior:
        raise ValueError(f"prior: method {method.name} uses none")
    # A job may be resumed from another working directory.
    return os.path.abspath(name) if name is not None and Path(name).is_dir() else name


def _absolute_input(name: str) -> str:
    """The input's path as an absolute one.

    Raises:
        ValueError: it is empty, which would be the working directory.
    """
    if not name.strip():
        raise ValueError("input: a path is needed")
    return os.path.abspath(name)
