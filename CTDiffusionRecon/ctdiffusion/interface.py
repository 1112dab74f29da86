"""The Python interface: reconstruct, compare and study from volumes, arrays or files, without a job folder.

`import ctdiffusion as ct` offers these functions. Every option of a job is a keyword (`views`, `geometry`, `slices`,
`photons`, `seed`, ...), and so is every parameter of the chosen method (`steps`, `iterations`, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import pipeline
from .acquisition.measured.read import MeasuredProjections, read_projections
from .acquisition.measured.suffixes import MEASURED_SUFFIXES
from .acquisition.settings import SimulationSettings
from .core import devices
from .core.monitor import Monitor
from .core.schema import describe
from .images.volume import Volume, read_intensities, read_volume
from .jobs.reconstruction import measured_measurement, simulated_measurement
from .jobs.reconstruction_spec import JobSpec, default_scan
from .jobs.spec import SCHEMA
from .jobs.superresolution_spec import SuperResolutionSpec
from .jobs.tasks import TASKS
from .methods.registry import RECONSTRUCTION, SUPERRESOLUTION, Method, method_named
from .operators.base import LinearOperator
from .pipeline import Measurement, Result
from .priors import kinds
from .priors.kinds import AnyPrior
from .priors.packs.importing.convert import Imported

Source = Volume | MeasuredProjections | Measurement | NDArray[Any] | str | Path
Progress = Callable[[str, int, int], object]

_SPEC_ONLY = ("input", "method", "parameters", "simulation", "input_kind", "keep_projections")


def reconstruct(
    source: Source,
    method: str = TASKS[RECONSTRUCTION].default_method,
    *,
    prior: AnyPrior | str | None = None,
    preset: str | None = None,
    spacing: tuple[float, float, float] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Reconstruct a volume from its simulated projections, or measured projections.

    Args:
        source: a volume in HU (`Volume`, or an array `[slice, row, column]` with `spacing`), of which a scan is
            simulated; measured projections (`read_projections`); a measurement that was made before (`simulate`); or
            the path of a volume or of measured projections.
        method: name of a method, see `ctdiffusion.methods()`.
        prior: a loaded prior, or the name or folder of a pack; None takes the method's default.
        preset: a named set of the method's parameters.
        spacing: voxel size of an array in mm, (x, y, z).
        progress: called with (phase, step, total).
        options: fields of a job (`views`, 30 unless told; `geometry`, "fan" unless told; `limited_deg`, `slices`,
            `seed`, `device`, `photons`, ...) and parameters of the method.

    Returns:
        The result on the input's grid: `volume` (HU), `metrics` against the simulated volume (None for measured
        projections), `misfit`, `seconds`, `warnings`.

    Raises:
        ValueError: a source, an option or a parameter that is refused; the text names it.
        OSError: a file that cannot be read.
        ctdiffusion.pipeline.ReconstructionError: the result is not finite.
    """
    return compare(
        source, [method], prior=prior, presets={method: preset}, spacing=spacing, progress=progress, **options
    )[method]


def compare(
    source: Source,
    methods: Sequence[str] = ("fbp", "tv", "dds"),
    *,
    prior: AnyPrior | str | None = None,
    presets: Mapping[str, str | None] | None = None,
    spacing: tuple[float, float, float] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Result]:
    """Several methods on one measurement, which is simulated or read once; see `reconstruct` for the arguments.

    A parameter goes to every method that has it.

    Returns:
        The results by the method's name.

    Raises:
        ValueError, OSError, ReconstructionError: see `reconstruct`.
    """
    chosen = {name: method_named(name) for name in methods}
    fields, parameters = _sorted(options, chosen)
    specs = {
        name: _spec(source, name, fields, {**_preset(method, (presets or {}).get(name)), **parameters[name]})
        for name, method in chosen.items()
    }
    first = next(iter(specs.values()))
    listener = _Listener(progress)
    measurement = _measurement(source, first, spacing, listener)
    device = devices.resolve(first.device).device
    on_device = measurement.to(device)
    operator = pipeline.operator_for(on_device, device)
    results = {}
    for name, spec in specs.items():
        results[name] = _one(spec, on_device, operator, prior, device, listener)
    return results


def simulate(
    volume: Volume | NDArray[Any] | str | Path, *, spacing: tuple[float, float, float] | None = None, **options: Any
) -> Measurement:
    """The measurement that a scanner would take of a volume, for `reconstruct` and `compare`.

    Args:
        volume: HU; an array `[slice, row, column]` needs `spacing`, the voxel size in mm (x, y, z).
        options: `geometry`, `views`, `arc_deg`, `start_deg`, `limited_deg`, `angles_deg`, `slices`, `seed`, and how it
            is simulated: `photons`, `electronic`, `noise`, `oversampling`, `same_grid`.

    Returns:
        A measurement; its `projections.data` are line integrals `[slice, view, column]`, or `[view, row, column]` of a
        cone beam.

    Raises:
        ValueError: an option that is refused, or a scan that does not fit the volume.
    """
    fields, _ = _sorted(options, {})
    return _measurement(volume, _spec(volume, "fbp", fields, {}), spacing, Monitor())


def study(
    volumes: Mapping[str, Source] | Iterable[str | Path],
    methods: Sequence[str] = ("fbp", "tv", "dds"),
    *,
    geometry: Sequence[str] = ("fan",),
    views: Sequence[int] = (30,),
    photons: Sequence[float] = (SimulationSettings.photons,),
    seed: Sequence[int] = (0,),
    **options: Any,
) -> Iterator[dict[str, Any]]:
    """Every method on every combination of volume, geometry, view count, dose and seed.

    A measurement is simulated, and its projector built, once for all methods.

    Args:
        volumes: volumes by name, or paths.
        methods: names of methods.
        geometry, views, photons, seed: what to combine.
        options: as in `compare`, the same for all.

    Yields:
        One row for each result: `volume`, `method`, the combination, its metrics, `misfit` and `seconds`; ready for
        `pandas.DataFrame(rows)`.

    Raises:
        ValueError, OSError, ReconstructionError: see `reconstruct`.
    """
    named = volumes if isinstance(volumes, Mapping) else {Path(path).name: path for path in volumes}
    for name, source in named.items():
        whole = read_volume(source) if isinstance(source, (str, Path)) else source
        for scan, count, dose, number in product(geometry, views, photons, seed):
            case: dict[str, Any] = {"geometry": scan, "views": count, "photons": dose, "seed": number}
            for method, result in compare(whole, methods, **case, **options).items():
                misfit = {f"misfit_{key}": value for key, value in result.misfit.items()}
                numbers = {**(result.metrics or {}), **misfit, "seconds": result.seconds}
                yield {"volume": name, "method": method, **case, **numbers}


def superresolve(
    volume: Volume | str | Path,
    method: str = TASKS[SUPERRESOLUTION].default_method,
    *,
    prior: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Thin slices from the thick ones of a CT or MR volume.

    Args:
        volume: thick slices, or the path of a volume.
        method: name of a method, see `ctdiffusion.methods("superresolution")`.
        prior: name or folder of a pack; None takes that of the volume's modality.
        progress: called with (phase, step, total).
        options: `factor`, `profile`, `profile_mm`, `simulate_from_thin`, `assume_hu`, `device`, `seed`, and parameters
            of the method.

    Raises:
        ValueError, OSError, ReconstructionError: see `reconstruct`.
    """
    from .jobs.superresolution import superresolved

    chosen = method_named(method, SUPERRESOLUTION)
    known = {info.name for info in describe(SuperResolutionSpec)} - {"input", "method", "parameters"}
    own = {info.name for info in describe(chosen.parameters)}
    _refuse_unknown(options, known | own, method)
    fields = {name: value for name, value in options.items() if name in known}
    spec = SuperResolutionSpec(
        input="memory", method=method, prior=prior, parameters={k: v for k, v in options.items() if k in own}, **fields
    )
    given = read_intensities(volume, spec.assume_hu) if isinstance(volume, (str, Path)) else volume
    name = Path(volume).name if isinstance(volume, (str, Path)) else "volume"
    listener = _Listener(progress)
    return replace(superresolved(spec, given, name, listener), warnings=tuple(listener.warnings))


def load_prior(name: str | Path = "", device: str = "auto") -> AnyPrior:
    """A prior pack, checked and loaded.

    Args:
        name: its name or folder; empty for the one that serves all methods on CT images.
        device: auto, cpu or cuda.

    Raises:
        ValueError: there is none of that name, or it is damaged.
    """
    from .methods.registry import DEFAULT_PRIOR
    from .priors.packs.pack import locate_pack

    return kinds.load_any(locate_pack(str(name or DEFAULT_PRIOR)), devices.resolve(device).device)


def import_prior(checkpoint: str | Path, **options: Any) -> Imported:
    """Make a prior pack of a checkpoint that a paper's authors published; nothing in it is executed.

    Args:
        checkpoint: the file, or the folder of a `diffusers` model.
        options: see `ctdiffusion.priors.packs.importing.options.ImportOptions`: `preset`, `window`, `spacing`, ...

    Raises:
        ValueError: it is not a checkpoint of a known network; the text says why.
    """
    from .priors.packs.importing.convert import import_prior as run
    from .priors.packs.importing.options import ImportOptions

    return run(Path(checkpoint), ImportOptions(**options))


def train(recipe: str, data: Sequence[str | Path], out: str | Path, **options: Any) -> Path:
    """Train a prior and write its pack, as `ctdiffusion train` does.

    Args:
        recipe: name of a recipe, such as `ct-triplet-256`.
        data: folders of CT volumes, or caches.
        out: folder of the pack to write.
        options: those of the command, with underscores: `minutes`, `steps`, `init`, `val`, `resume`, ...

    Returns:
        The folder of the pack.

    Raises:
        ValueError: data or options that cannot be used.
    """
    from .commands import train as command
    from .commands.parser import Parser

    parser = Parser("train")
    command.add_arguments(parser)
    argv = [recipe, "--out", str(out), "--data", *map(str, data)]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        argv += [option] if value is True else [] if value in (False, None) else [option, str(value)]
    command.main(parser.parse_strictly(argv))
    return Path(out)


@dataclass
class _Listener(Monitor):
    """Passes progress on and keeps warnings."""

    progress: Progress | None

    def __post_init__(self) -> None:
        self.warnings: list[str] = []

    def step(self, phase: str, step: int, total: int, image: torch.Tensor | None = None) -> None:
        if self.progress is not None:
            self.progress(phase, step, total)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _one(
    spec: JobSpec,
    measurement: Measurement,
    operator: LinearOperator,
    prior: AnyPrior | str | None,
    device: torch.device,
    listener: _Listener,
) -> Result:
    method = spec.chosen_method()
    known = len(listener.warnings)
    loaded: AnyPrior | None = None
    if method.needs_prior:
        if prior is None or isinstance(prior, (str, Path)):
            name = None if prior is None else str(prior)
            loaded = kinds.load_prior(name, method.prior_kind, method.default_prior, method.name, device)
        else:
            loaded = prior
    result = pipeline.run_method(measurement, operator, method, spec.method_parameters(), loaded, spec.seed, listener)
    return replace(result, warnings=(*measurement.warnings, *listener.warnings[known:]))


def _sorted(
    options: Mapping[str, Any], methods: Mapping[str, Method]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Options apart by whose they are: fields of the job, and parameters of each method."""
    fields = {info.name for info in describe(JobSpec)} - set(_SPEC_ONLY)
    settings = {info.name for info in describe(SimulationSettings)}
    own = {name: {info.name for info in describe(method.parameters)} for name, method in methods.items()}
    _refuse_unknown(options, fields.union(settings, *own.values()), ", ".join(methods) or "simulate")
    values = {name: value for name, value in options.items() if name in fields}
    simulation = {name: value for name, value in options.items() if name in settings}
    parameters = {name: {k: v for k, v in options.items() if k in known} for name, known in own.items()}
    return ({**values, "simulation": simulation} if simulation else values), parameters


def _refuse_unknown(options: Mapping[str, Any], known: set[str], of: str) -> None:
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise ValueError(f"{name}: no option of a job and no parameter of {of} ({hint})")


def _preset(method: Method, name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    if name not in method.presets:
        raise ValueError(f"preset: method {method.name} has {', '.join(method.presets) or 'none'}, got {name!r}")
    return method.presets[name]


def _spec(source: Source, method: str, fields: Mapping[str, Any], parameters: Mapping[str, Any]) -> JobSpec:
    """The specification of what is asked for; its input is in memory.

    Raises:
        ValueError: the text names the keyword.
    """
    values = dict(fields)
    if isinstance(source, Measurement):
        for name in values:
            if name not in ("device", "seed"):
                raise ValueError(f"{name}: the measurement was made already")
        # Only the kind of its beam is asked about here.
        values |= {"geometry": source.projections.geometry.kind, "views": 1}
    elif isinstance(source, MeasuredProjections) or _is_measured_file(source):
        values["input_kind"] = "projections"
    else:
        values |= default_scan(values)
    head = {"schema": SCHEMA, "input": "memory", "method": method, "parameters": dict(parameters)}
    try:
        return JobSpec.from_dict({**head, **values})
    except ValueError as error:
        text = str(error).removeprefix("spec.").removeprefix("parameters.").removeprefix("simulation.")
        raise ValueError(text) from None


def _is_measured_file(source: object) -> bool:
    return isinstance(source, (str, Path)) and Path(source).suffix.lower() in MEASURED_SUFFIXES


def _measurement(
    source: Source, spec: JobSpec, spacing: tuple[float, float, float] | None, monitor: Monitor
) -> Measurement:
    if isinstance(source, Measurement):
        return source
    if _is_measured_file(source):
        source = read_projections(source)  # type: ignore[arg-type]
    if isinstance(source, MeasuredProjections):
        return measured_measurement(spec, source, "projections")
    if isinstance(source, (str, Path)):
        source = read_volume(source, spec.assume_hu)
    if isinstance(source, np.ndarray):
        if spacing is None:
            raise ValueError("spacing: an array needs its voxel size in mm, (x, y, z)")
        source = Volume(source, spacing)
    if not isinstance(source, Volume):
        raise ValueError(f"source: expected a volume, an array, projections or a path, got {type(source).__name__}")
    return simulated_measurement(spec, source, monitor)
