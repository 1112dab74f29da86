"""`ctdiffusion methods [NAME]`."""

from __future__ import annotations

import argparse
import json
import textwrap

from ..core.schema import ParameterInfo, describe
from ..methods.registry import Method, method_named, methods
from ..priors.kind_names import WORDS
from .catalogue import catalogue, method_facts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="explain this method and its parameters")
    text = "print the same as JSON; without a name, with the simulation's parameters and the scanners' presets"
    parser.add_argument("--json", action="store_true", help=text)


def main(args: argparse.Namespace) -> int:
    """Print the table of methods, or one method."""
    if args.json:
        print(json.dumps(catalogue() if args.name is None else method_facts(method_named(args.name))))
    elif args.name is None:
        print(table(list(methods().values())))
    else:
        print(explanation(method_named(args.name)))
    return 0


def table(known: list[Method]) -> str:
    """One line a method."""
    rows = [(m.name, m.title, "yes" if m.needs_prior else "no", m.summary) for m in known]
    head = ("method", "title", "prior", "summary")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(3)]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in [head, *rows]
    )


def explanation(method: Method) -> str:
    """A method with its source and parameters."""
    lines = [f"{method.name}: {method.title}", "", *textwrap.wrap(method.summary, 100)]
    lines += ["", f"Source: {method.source}", f"Needs a prior: {_need(method)}", ""]
    lines.append("Parameters:")
    for info in describe(method.parameters):
        lines.append(f"  --{option_name(info)}  {facts(info)}")
        lines += textwrap.wrap(info.text, 94, initial_indent="      ", subsequent_indent="      ")
    for name, values in method.presets.items():
        words = " ".join(f"{key}={value}" for key, value in values.items())
        lines += textwrap.wrap(f"--preset {name}: {words}", 98, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines)


def _need(method: Method) -> str:
    if not method.needs_prior:
        return "no"
    return f"{WORDS[method.prior_kind]} (default {method.default_prior})"


def option_name(info: ParameterInfo) -> str:
    """A parameter's name on the command line, without the leading dashes."""
    return info.name.replace("_", "-")


def facts(info: ParameterInfo) -> str:
    """Unit, range, choices and default of a declared field in one phrase."""
    words = {int: "integer", float: "number", tuple: "numbers"}
    parts = [] if info.kind is str and info.choices else [words.get(info.kind, "")]
    parts += [info.unit]
    if info.choices:
        parts.append("one of " + ", ".join(info.choices))
    if info.low is not None or info.high is not None:
        low = "-inf" if info.low is None else f"{info.low:g}"
        high = "inf" if info.high is None else f"{info.high:g}"
        parts.append(f"in [{low}, {high}]")
    default = "auto" if info.default is None and info.optional else info.default
    phrase = " ".join(part for part in parts if part)
    return f"({phrase}{', ' if phrase else ''}default {default})"
