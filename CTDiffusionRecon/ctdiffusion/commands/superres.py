"""`ctdiffusion superres INPUT --factor 5 -o OUT`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..jobs.tasks import TASKS
from ..methods.registry import SUPERRESOLUTION
from .options import add_method, add_output, add_task, specification

_TASK = TASKS[SUPERRESOLUTION]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command, those of the methods excepted."""
    parser.add_argument("input", metavar="INPUT", help="volume of thick slices (NIfTI, NRRD, MetaImage, DICOM)")
    add_output(parser)
    add_task(parser, _TASK)


def add_method_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """The parameters of the method that `argv` names, or of the default one.

    Raises:
        ValueError: there is no such method.
    """
    add_method(parser, argv, _TASK)


def main(args: argparse.Namespace) -> int:
    """Run one z super-resolution."""
    from .dispatch import run_to

    return run_to(specification(args), args)
