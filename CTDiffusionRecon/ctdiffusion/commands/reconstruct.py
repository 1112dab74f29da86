"""`ctdiffusion reconstruct INPUT --geometry fan --views 30 --method dds -o OUT`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..acquisition.measured.arrays import HDF5_SUFFIXES
from ..acquisition.simulate import SimulationSettings
from ..core.parameters import describe
from ..core.strictjson import read_object
from ..jobs.spec import DEVICES, PRESETS, JobSpec
from ..methods.registry import method_named, methods
from .delivery import deliver
from .options import absolute_input, add_method, add_parameter, given, named_method, pack_for, parameters_of

_PARAMETER = "parameter:"
_SIMULATION = "simulation:"
MEASURED_SUFFIXES = (".json", ".npz", *HDF5_SUFFIXES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command, those of the methods excepted."""
    parser.add_argument("input", metavar="INPUT", help="volume (NIfTI, NRRD, MetaImage, DICOM) or measured projections")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="job folder, or a .nrrd or .nii.gz file")
    parser.add_argument("--method", required=True, metavar="NAME", help=f"one of {', '.join(methods())}")
    scan = parser.add_argument_group("scan")
    scan.add_argument("--geometry", choices=PRESETS, help="default geometry fitted to the volume (fan)")
    scan.add_argument("--geometry-file", type=Path, metavar="JSON", help="full geometry: mm, angles in radians")
    scan.add_argument("--views", type=int, metavar="N", help="number of views; of measured ones, N equally spaced")
    scan.add_argument("--arc-deg", type=float, metavar="DEG", help="arc of the views (360; parallel beam: 180)")
    scan.add_argument("--start-deg", type=float, default=0.0, metavar="DEG", help="angle of the first view (0)")
    text = "limited-angle acquisition over SPAN degrees from START, both included (negative: --limited=-45:90)"
    scan.add_argument("--limited", type=_pair, metavar="START:SPAN", help=text)
    text = "every view angle in degrees: a list such as 0,1.5,3, or a text file with one or more a line"
    scan.add_argument("--angles-deg", metavar="LIST|FILE", help=text)
    scan.add_argument("--slices", type=_range, metavar="A:B", help="slices A to B - 1 alone")
    text = "INPUT holds measured projections (known from its suffix; needed for .nrrd)"
    scan.add_argument("--measured", action=argparse.BooleanOptionalAction, default=None, help=text)
    text = "take the volume as HU even where it does not look like it"
    scan.add_argument("--assume-hu", action=argparse.BooleanOptionalAction, default=False, help=text)
    simulation = parser.add_argument_group("simulation")
    for info in describe(SimulationSettings):
        add_parameter(simulation, info, _SIMULATION)
    text = "simulate without noise (the same as --no-noise)"
    simulation.add_argument("--noise-free", dest=f"{_SIMULATION}noise", action="store_false", help=text)
    running = parser.add_argument_group("running")
    running.add_argument("--prior", metavar="NAME|PATH", help="prior pack; the default one otherwise")
    running.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (auto)")
    running.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every random number (0)")
    text = "keep the projections and the result's residual in them beside the result, in the job folder"
    running.add_argument("--keep-projections", action="store_true", help=text)
    running.add_argument("--json", action="store_true", help="print every event as one JSON line")


def add_method_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """The parameters of the method that `argv` names.

    Raises:
        ValueError: there is no such method.
    """
    name = named_method(argv)
    if name is None:
        parser.epilog = "`--method NAME --help` lists the parameters of a method as well."
        return
    add_method(parser, method_named(name), _PARAMETER)


def main(args: argparse.Namespace) -> int:
    """Run one reconstruction."""
    spec = spec_of(args)
    if not Path(spec.input).exists():
        raise FileNotFoundError(f"{args.input}: no such file or folder")
    return deliver(spec, args.output, args.json)


def spec_of(args: argparse.Namespace) -> JobSpec:
    """The specification that the arguments describe.

    Raises:
        ValueError: a value that the specification refuses; the text names the field.
        OSError: a file of angles or geometry cannot be read.
    """
    method = method_named(args.method)
    path = Path(absolute_input(args.input))
    measured = args.measured if args.measured is not None else path.suffix.lower() in MEASURED_SUFFIXES
    values: dict[str, Any] = {
        "schema": 1,
        "input": str(path),
        "input_kind": "projections" if measured else "volume",
        "method": args.method,
        "geometry": args.geometry or (None if measured else "fan"),
        "views": args.views,
        "arc_deg": args.arc_deg,
        "start_deg": args.start_deg,
        "limited_deg": args.limited,
        "angles_deg": None if args.angles_deg is None else _angles(args.angles_deg),
        "simulation": given(args, _SIMULATION),
        "parameters": parameters_of(args, method, _PARAMETER),
        "assume_hu": args.assume_hu,
        "prior": pack_for(method, args.prior),
        "slices": args.slices,
        "device": args.device,
        "seed": args.seed,
        "keep_projections": args.keep_projections,
    }
    if args.geometry_file is not None:
        if args.geometry is not None:
            raise ValueError("--geometry-file: not together with --geometry")
        values["geometry"] = read_object(args.geometry_file)
    return JobSpec.from_dict(values)


def _pair(text: str) -> list[float]:
    try:
        start, span = (float(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected START:SPAN in degrees, got {text!r}") from None
    return [start, span]


def _range(text: str) -> list[int]:
    try:
        start, stop = (int(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected A:B, got {text!r}") from None
    return [start, stop]


def _angles(text: str) -> list[float]:
    if not set(text) <= set("0123456789+-.eE, \t"):
        text = Path(text).read_text(encoding="utf-8")
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise ValueError(f"--angles-deg: {error}") from None
