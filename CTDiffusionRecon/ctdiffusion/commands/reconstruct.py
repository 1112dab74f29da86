"""`ctdiffusion reconstruct INPUT --geometry fan --views 30 --method dds -o OUT`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..acquisition.measured.suffixes import MEASURED_SUFFIXES
from ..core.plugins import PROJECTIONS
from ..core.strictjson import read_object
from ..jobs.reconstruction_spec import DEFAULT_GEOMETRY
from ..jobs.spec import Specification
from ..jobs.tasks import TASKS
from ..methods.registry import RECONSTRUCTION
from .options import add_method, add_output, add_task, specification

_TASK = TASKS[RECONSTRUCTION]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command, those of the methods excepted."""
    parser.add_argument("input", metavar="INPUT", help="volume (NIfTI, NRRD, MetaImage, DICOM) or measured projections")
    add_output(parser)
    add_scan(parser)


def add_scan(parser: argparse.ArgumentParser) -> None:
    """What is reconstructed and how, without input and output."""
    add_task(parser, _TASK, without=("input_kind",))
    more = parser.add_argument_group("more")
    more.add_argument("--geometry-file", type=Path, metavar="JSON", help="full geometry: mm, angles in radians")
    text = "INPUT holds measured projections (known from its suffix; needed for .nrrd)"
    more.add_argument("--measured", action=argparse.BooleanOptionalAction, default=None, help=text)
    text = "simulate without noise (the same as --no-noise)"
    noise = "field:simulation.noise"
    more.add_argument("--noise-free", dest=noise, action="store_false", default=argparse.SUPPRESS, help=text)


def add_method_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """The parameters of the method that `argv` names.

    Raises:
        ValueError: there is no such method.
    """
    parser.epilog = "`--method NAME --help` lists the parameters of another method."
    add_method(parser, argv, _TASK)


def main(args: argparse.Namespace) -> int:
    """Run one reconstruction."""
    from .dispatch import run_to

    return run_to(spec_of(args), args)


def spec_of(args: argparse.Namespace) -> Specification:
    """The specification that the arguments describe.

    Raises:
        ValueError: a value that the specification refuses; the text names the option.
        OSError: a file of angles or geometry cannot be read.
    """
    measured = args.measured
    if measured is None:
        suffix = Path(args.input).suffix.lower()
        measured = suffix in MEASURED_SUFFIXES or bool(entry_points(group=PROJECTIONS, name=suffix))
    values: dict[str, Any] = {"input_kind": "projections" if measured else "volume"}
    named = hasattr(args, "field:geometry")
    if args.geometry_file is not None:
        if named:
            raise ValueError("--geometry-file: not together with --geometry")
        values["geometry"] = read_object(args.geometry_file)
    elif not named and not measured:
        values["geometry"] = DEFAULT_GEOMETRY
    return specification(args, **values)
