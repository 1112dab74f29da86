"""`ctdiffusion estimate [SPEC.json]`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..core import devices
from ..core.strictjson import read_object
from ..images.volume import read_volume
from ..jobs.calibration import calibrate
from ..jobs.estimate import Estimate, Speed, estimate, read_speed, speed_values
from ..jobs.reconstruction_spec import JobSpec
from ..jobs.spec import DEVICES
from ..jobs.tasks import task_of
from ..methods.registry import DEFAULT_PRIOR, method_named
from ..priors.packs.pack import find_packs
from ..scan.beams import Geometry, Grid
from ..scan.machines import default_geometry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    text = "specification of a job (spec.json); without it this computer is timed, and nothing else"
    parser.add_argument("spec", nargs="?", type=Path, metavar="SPEC.json", help=text)
    parser.add_argument("--device", choices=DEVICES, help="device to time (that of the job, else auto)")
    parser.add_argument("--prior", metavar="NAME|PATH", help="prior pack to time (that of the job, else the default)")
    text = "time this computer again; it is done by itself the first time, takes seconds and is remembered"
    parser.add_argument("--calibrate", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="print the estimate as JSON")


def main(args: argparse.Namespace) -> int:
    """Print an estimate."""
    spec = None if args.spec is None else _specification(args.spec)
    device = devices.resolve(args.device or ("auto" if spec is None else spec.device)).device
    prior = args.prior or _prior(spec)
    speed = read_speed(device.type)
    known = prior is None or Path(prior).name in speed.network_ns
    if args.calibrate or spec is None or not speed.measured or not known:
        speed = calibrate(device, prior)
    if spec is None:
        print(json.dumps({"speed": speed_values(speed)}) if args.json else _speed_line(speed))
        return 0
    found = _estimate(spec, args.spec.resolve().parent, speed, prior)
    print(json.dumps(asdict(found)) if args.json else _line(found))
    return 0


def _specification(path: Path) -> JobSpec:
    values = read_object(path)
    if (task := task_of(values)).specification is not JobSpec:
        raise ValueError(f"spec.task: there is no estimate for {task.name}")
    return JobSpec.from_dict(values)


def _estimate(spec: JobSpec, folder: Path, speed: Speed, prior: str | None) -> Estimate:
    geometry, grid = _scan(spec, folder)
    finer = spec.simulation.finer if spec.input_kind == "volume" else None
    name = None if prior is None else Path(prior).name
    return estimate(spec.chosen_method(), spec.parameters, geometry, grid, speed, finer, name)


def _scan(spec: JobSpec, folder: Path) -> tuple[Geometry, Grid]:
    path = spec.input_path(folder)
    if spec.input_kind == "projections":
        from ..acquisition.measured import read_projections

        found = read_projections(path)
        geometry: Geometry = found.projections.geometry
        if spec.views is not None and spec.views < geometry.views:
            geometry = geometry.subset(range(spec.views))
        return geometry, found.grid
    volume = read_volume(path, spec.assume_hu)
    if spec.slices is not None:
        volume = volume.slices(*spec.slices)
    explicit = spec.explicit_geometry()
    if explicit is not None:
        return explicit, volume.grid
    assert isinstance(spec.geometry, str)
    return default_geometry(spec.geometry, spec.angles(), volume.grid), volume.grid


def _prior(spec: JobSpec | None) -> str | None:
    """The pack that the job will use; without a job, and for a method that needs none, the one for images."""
    if spec is not None and spec.prior is not None:
        return spec.prior
    method = None if spec is None else method_named(spec.method)
    name = method.default_prior if method is not None and method.needs_prior else DEFAULT_PRIOR
    return name if name in find_packs() else None


def _line(found: Estimate) -> str:
    text = f"about {found.seconds:.0f} s ({found.low_s:.0f} to {found.high_s:.0f}), {found.memory_bytes / 1e9:.1f} GB"
    if found.gpu_bytes:
        text += f", {found.gpu_bytes / 1e9:.1f} GB on the GPU"
    return f"{text}; {found.note}" if found.note else text


def _speed_line(speed: Speed) -> str:
    networks = ", ".join(f"{name} {ns:.0f} ns a pixel" for name, ns in speed.network_ns.items())
    return f"{speed.device}: projection {speed.sample_ns:.2f} ns a sample, cone {speed.cone_ns:.2f}; network {networks}"
