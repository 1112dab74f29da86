"""`ctdiffusion superres INPUT --factor 5 -o OUT`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..operators.slice_average import FACTORS, PROFILES
from ..superresolution.registry import slice_method_named, slice_methods
from ..superresolution.spec import DEVICES, SCHEMA, TASK, SuperResolutionSpec
from .delivery import deliver
from .options import absolute_input, add_method, named_method, pack_for, parameters_of

_PARAMETER = "parameter:"
DEFAULT_METHOD = "zsr"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command, those of the methods excepted."""
    parser.add_argument("input", metavar="INPUT", help="volume of thick slices (NIfTI, NRRD, MetaImage, DICOM)")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="job folder, or a .nrrd or .nii.gz file")
    text = f"one of {', '.join(slice_methods())} ({DEFAULT_METHOD})"
    parser.add_argument("--method", default=DEFAULT_METHOD, metavar="NAME", help=text)
    text = f"thin slices per thick one, {FACTORS[0]} to {FACTORS[1]}; auto: nearly cubic voxels (auto)"
    parser.add_argument("--factor", type=_factor, metavar="N|auto", help=text)
    text = "profile of the thick slices; a rectangle is one slice distance wide (rectangle)"
    parser.add_argument("--profile", choices=PROFILES, default=PROFILES[0], help=text)
    text = "full width at half maximum of a gaussian or trapezoid profile"
    parser.add_argument("--profile-mm", type=float, metavar="MM", help=text)
    text = "INPUT holds thin slices: average N of them first, then judge the result against them"
    parser.add_argument("--simulate-from-thin", action="store_true", help=text)
    text = "take the volume as HU (CT) even where it does not look like it"
    parser.add_argument("--assume-hu", action=argparse.BooleanOptionalAction, default=False, help=text)
    running = parser.add_argument_group("running")
    running.add_argument("--prior", metavar="NAME|PATH", help="prior pack; that of the volume's modality otherwise")
    running.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (auto)")
    running.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every random number (0)")
    running.add_argument("--json", action="store_true", help="print every event as one JSON line")


def add_method_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """The parameters of the method that `argv` names, or of the default one.

    Raises:
        ValueError: there is no such method.
    """
    add_method(parser, slice_method_named(named_method(argv) or DEFAULT_METHOD), _PARAMETER)


def main(args: argparse.Namespace) -> int:
    """Run one z super-resolution."""
    spec = spec_of(args)
    if not Path(spec.input).exists():
        raise FileNotFoundError(f"{args.input}: no such file or folder")
    return deliver(spec, args.output, args.json)


def spec_of(args: argparse.Namespace) -> SuperResolutionSpec:
    """The specification that the arguments describe.

    Raises:
        ValueError: a value that the specification refuses; the text names the field.
    """
    method = slice_method_named(args.method)
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "task": TASK,
        "input": absolute_input(args.input),
        "method": args.method,
        "factor": args.factor,
        "simulate_from_thin": args.simulate_from_thin,
        "profile": args.profile,
        "profile_mm": args.profile_mm,
        "parameters": parameters_of(args, method, _PARAMETER),
        "assume_hu": args.assume_hu,
        "prior": pack_for(method, args.prior),
        "device": args.device,
        "seed": args.seed,
    }
    return SuperResolutionSpec.from_dict(values)


def _factor(text: str) -> int | None:
    try:
        return None if text == "auto" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {FACTORS[0]} to {FACTORS[1]} or auto, got {text!r}") from None
