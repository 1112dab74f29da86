"""`ctdiffusion estimate [INPUT|SPEC.json] [options of reconstruct]`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.strictjson import read_object
from ..jobs.reconstruction_spec import JobSpec
from ..jobs.tasks import task_of
from ..methods.registry import DEFAULT_PRIOR
from . import reconstruct

if TYPE_CHECKING:
    from ..jobs.estimate import Estimate, Speed
    from ..scan.beams import Geometry, Grid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command, those of the methods excepted."""
    text = "volume or measured projections, with the options of `reconstruct`; or the spec.json of a job; without it "
    parser.add_argument("input", nargs="?", metavar="INPUT", help=text + "this computer is timed, and nothing else")
    text = "time this computer again; it is done by itself the first time, takes seconds and is remembered"
    parser.add_argument("--calibrate", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="print the estimate as JSON")
    reconstruct.add_scan(parser)


def add_method_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """The parameters of the method that `argv` names."""
    reconstruct.add_method_arguments(parser, argv)


def main(args: argparse.Namespace) -> int:
    """Print an estimate, or without an input the speed of this computer."""
    from ..jobs.estimate import speed_values

    if args.input is None:
        device, prior = getattr(args, "field:device", "auto"), getattr(args, "field:prior", None)
        speed = speed_of(device, prior or DEFAULT_PRIOR, args.calibrate, always=True)
        print(json.dumps({"speed": speed_values(speed)}) if args.json else _speed_line(speed))
        return 0
    spec, folder = _specification(args)
    found = estimate_of(spec, folder, args.calibrate)
    print(json.dumps(asdict(found)) if args.json else line(found))
    return 0


def _specification(args: argparse.Namespace) -> tuple[JobSpec, Path]:
    """The specification that is meant, and the folder in which its relative paths begin."""
    path = Path(args.input)
    if path.suffix.lower() == ".json" or (path.is_dir() and (path / "spec.json").is_file()):
        file = path / "spec.json" if path.is_dir() else path
        values = read_object(file)
        if "schema" in values or "task" in values:
            if (task := task_of(values)).specification is not JobSpec:
                raise ValueError(f"spec.task: there is no estimate for {task.name}")
            return JobSpec.from_dict(values), file.resolve().parent
    spec = reconstruct.spec_of(args)
    assert isinstance(spec, JobSpec)
    return spec, Path.cwd()


def estimate_of(spec: JobSpec, folder: Path, calibrate: bool = False) -> Estimate:
    """Time and memory of a reconstruction; times this computer where it has not been timed yet.

    Raises:
        ValueError, OSError: an input that cannot be read, or a scan that does not fit it.
    """
    from ..jobs.estimate import estimate

    geometry, grid = _scan(spec, folder)
    prior = _prior(spec)
    speed = speed_of(spec.device, prior, calibrate)
    finer = spec.simulation.finer if spec.input_kind == "volume" else None
    name = None if prior is None else Path(prior).name
    return estimate(spec.chosen_method(), spec.parameters, geometry, grid, speed, finer, name)


def speed_of(device: str, prior: str | None, again: bool = False, always: bool = False) -> Speed:
    """The measured speed of a device; measured now where it was not, or with `again`, or for a prior not yet timed."""
    from ..core import devices
    from ..jobs.calibration import calibrate
    from ..jobs.estimate import read_speed
    from ..priors.packs.pack import find_packs

    place = devices.resolve(device).device
    known = prior if prior is None or Path(prior).is_dir() or prior in find_packs() else None
    speed = read_speed(place.type)
    timed = known is None or Path(known).name in speed.network_ns
    return calibrate(place, known) if again or always or not speed.measured or not timed else speed


def _scan(spec: JobSpec, folder: Path) -> tuple[Geometry, Grid]:
    from ..images.orientation import to_lps
    from ..images.volume import read_volume
    from ..scan.machines import default_geometry

    path = spec.input_path(folder)
    if spec.input_kind == "projections":
        from ..acquisition.measured.read import read_projections
        from ..jobs.reconstruction import asked_views

        found = read_projections(path)
        geometry: Geometry = found.projections.geometry
        asked = asked_views(spec, geometry, path.name)
        return geometry if asked is None else geometry.subset(asked), found.grid
    volume = read_volume(path, spec.assume_hu)
    if spec.slices is not None:
        volume = volume.slices(*spec.slices)
    volume, _ = to_lps(volume)
    explicit = spec.explicit_geometry()
    if explicit is not None:
        return explicit, volume.grid
    assert isinstance(spec.geometry, str)
    return default_geometry(spec.geometry, spec.angles(), volume.grid), volume.grid


def _prior(spec: JobSpec) -> str | None:
    """The pack that the job will use; None for a method that needs none."""
    method = spec.chosen_method()
    return (spec.prior or method.default_prior) if method.needs_prior else None


def line(found: Estimate) -> str:
    """An estimate as one line."""
    text = f"about {found.seconds:.0f} s ({found.low_s:.0f} to {found.high_s:.0f}), {found.memory_bytes / 1e9:.1f} GB"
    if found.gpu_bytes:
        text += f", {found.gpu_bytes / 1e9:.1f} GB on the GPU"
    return f"{text}; {found.note}" if found.note else text


def _speed_line(speed: Speed) -> str:
    networks = ", ".join(f"{name} {ns:.0f} ns a pixel" for name, ns in speed.network_ns.items())
    return f"{speed.device}: projection {speed.sample_ns:.2f} ns a sample, cone {speed.cone_ns:.2f}; network {networks}"
