"""One call from a file on disk to projections that any method can reconstruct."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.plugins import PROJECTIONS, plugin
from ...core.regularfile import check_regular
from ...core.units import AttenuationScale
from ...images import dicom
from ...images.ctpd import projections_refusal
from ...images.header import image_suffix
from ...scan.beams import Grid
from ...scan.projections import Projections
from .adapters import exchange
from .angles import engine_angles
from .arrays import check_readable, read_arrays, read_declared
from .countrange import refuse_wrapped, wrapped_somewhere
from .counts import MOST_HOLES, LineIntegrals, bridged, from_counts, from_transmission
from .declared import Declared, check_counts, factor, radians
from .description import FORMAT, Beam, Description, parse_description, read_description
from .layout import geometry_of, grid_of
from .suffixes import HDF5_SUFFIXES

Float = NDArray[np.float64]

# No ray through anything that a detector still sees behind reaches this; counts and scaled logarithms do.
LARGEST_LINE_INTEGRAL = 30.0
# Nothing is brighter than the open beam, but for noise behind much of it.
LOWEST_LINE_INTEGRAL, MOST_NEGATIVE = -0.5, 0.1


@dataclass(frozen=True)
class MeasuredProjections:
    """Projections from a file.

    Attributes:
        projections: line integrals with their geometry, and their variance where the file allows one.
        grid: a grid to reconstruct on: the one that the file asks for, else one voxel per column at the isocentre.
        name: what the file calls the scan.
        warnings: what was assumed, left out or found odd.
        files: the data file, and the geometry file where there is one.
    """

    projections: Projections
    grid: Grid
    name: str
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def read_projections(path: str | Path) -> MeasuredProjections:
    """Read measured projections.

    Args:
        path: a geometry file (JSON, docs/measured-projections.md), a data file with a geometry file of the same name
            beside it, or an HDF5 file in the data exchange layout, which needs none.

    Raises:
        ValueError: files that do not fit each other, are no projections, or no regular files; the text names the file
            and the field.
        OSError: no such file.
    """
    path = Path(path)
    try:
        check_regular(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except ValueError:
        if os.path.isdir(path) and (first := _first_dicom(path)) is not None:
            raise ValueError(f"{path.name}: a folder of DICOM files; {projections_refusal(first)}") from None
        raise
    foreign = plugin(PROJECTIONS, image_suffix(path))
    if foreign is not None:
        read: MeasuredProjections = foreign(path)
        return read if read.files else replace(read, files=(path,))
    description, beside = _description(path)
    # A data file goes by the name that the user gave it, which may be that of a link.
    data = path if path.samefile(description.file) else description.file
    return replace(_measured(description), files=(data,) if beside is None else (data, beside))


def _first_dicom(folder: Path) -> Path | None:
    return next((f for f in sorted(folder.iterdir()) if f.is_file() and dicom.is_dicom(f)), None)


def _description(path: Path) -> tuple[Description, Path | None]:
    """What the data are, and the geometry file that says so."""
    if path.suffix.lower() == ".json":
        return read_description(path), path
    if dicom.is_dicom(path):
        raise ValueError(projections_refusal(path))
    check_readable(path)
    suffix = image_suffix(path)
    beside = path.with_name(path.name[: len(path.name) - len(suffix)] + ".json")
    for there, data in ((beside, path), _real(path, beside)):
        if there.is_file():
            description = read_description(there, data)
            if not description.file.samefile(path):
                raise ValueError(f"{there.name}.file: names {description.file.name}, not {path.name}")
            return description, there
    if suffix in HDF5_SUFFIXES:
        values = {
            "format": FORMAT,
            "version": 1,
            "name": path.stem,
            "file": path.name,
            "geometry": {"kind": "parallel"},
        }
        return parse_description(values | exchange(), path, path), None
    raise ValueError(f"{path.name}: needs a geometry file {beside.name} beside it (docs/measured-projections.md)")


def _real(path: Path, beside: Path) -> tuple[Path, Path]:
    """The geometry file and the data file where the links that the user named them by lead to."""
    real = path.resolve()
    return real.with_name(real.stem + beside.suffix), real


def _measured(description: Description) -> MeasuredProjections:
    where = description.file.name
    named = [description.data, description.angles.array, description.flat, description.dark]
    names = {n for n in named if isinstance(n, str)}
    arrays, declared = read_arrays(description.file, names), read_declared(description.file, names)
    arrays = {name: declared[name].applied(array) for name, array in arrays.items()}
    raw, multiple = arrays[description.data], _checked_units(description, declared)
    raw = raw if multiple == 1.0 else raw * multiple
    how = description.angles
    values = np.asarray(arrays[how.array] if how.array else how.values, dtype=np.float64).reshape(-1)
    unit = radians(declared[how.array] if how.array else Declared(), how.unit, f"{where}:{how.array}")
    stacked = _in_order(raw, description, values.size, where)
    angles, kept, warnings = engine_angles(values, how, unit, where)
    lines = _line_integrals(stacked, description, arrays, where)
    warnings += lines.warnings
    beam, pitch = description.beam, description.beam.column_spacing
    if pitch is None:
        pitch = 1.0
        warnings.append("the detector's pixel size is not recorded, 1 mm was assumed: lengths and HU are relative")
    if description.mu_water is None:
        warnings.append("mu_water_per_mm is not given: HU refer to water at 70 keV")
    geometry = geometry_of(beam, [float(angles[k]) for k in kept], stacked.shape, pitch)
    grid = grid_of(description, geometry, stacked.shape[1], beam.row_spacing or pitch)
    warnings += geometry.check(grid)
    scale = AttenuationScale() if description.mu_water is None else AttenuationScale(description.mu_water)
    projections = Projections(
        _arranged(lines.values[kept], beam),
        geometry,
        variance=None if lines.variance is None else _arranged(lines.variance[kept], beam),
        scale=scale,
    )
    return MeasuredProjections(projections, grid, description.name, tuple(warnings))


def _checked_units(description: Description, declared: dict[str, Declared]) -> float:
    """What the data are to be multiplied by for the units that their arrays declare."""
    where = description.file.name
    if description.values == "counts":
        frames = [n for n in (description.data, description.flat, description.dark) if isinstance(n, str)]
        check_counts({f"{where}:{name}": declared[name] for name in frames})
        return 1.0
    return factor(declared[description.data], description.values, f"{where}:{description.data}")


def _in_order(raw: NDArray[Any], description: Description, views: int, where: str) -> NDArray[Any]:
    """The data as `[view, slice or row, column]`.

    Raises:
        ValueError: another number of axes, or of views, than the geometry file says.
    """
    axes = description.axes
    name = f"{where}:{description.data}"
    if raw.ndim != len(axes):
        raise ValueError(
            f"{name}: has {raw.ndim} axes {raw.shape}, the geometry file names {len(axes)}: {', '.join(axes)}"
        )
    if raw.size == 0:
        raise ValueError(f"{name}: is empty, {raw.shape}")
    counted = raw.shape[axes.index("view")]
    if counted != views:
        hint = ""
        if views in raw.shape:
            hint = f": axis {raw.shape.index(views)} has that length, are the axes transposed?"
        raise ValueError(
            f"{name}: holds {counted} views of axes {', '.join(axes)} = {raw.shape}, for {views} angles{hint}"
        )
    stack = next((a for a in axes if a in ("slice", "row")), None)
    wanted = ("view", stack, "column") if stack else ("view", "column")
    ordered = np.transpose(raw, [axes.index(a) for a in wanted])
    return ordered if stack else ordered[:, None]


def _line_integrals(
    stacked: NDArray[Any], description: Description, arrays: dict[str, NDArray[Any]], where: str
) -> LineIntegrals:
    if description.values == "counts":
        frames = {
            name: _frames(value, arrays, stacked.shape, f"{where}: {name}")
            for name, value in (("flat", description.flat), ("dark", description.dark))
        }
        try:
            refuse_wrapped(stacked, frames["flat"], frames["dark"])
            lines = from_counts(
                stacked, frames["flat"], frames["dark"], description.photons_per_count, description.saturation
            )
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        told = wrapped_somewhere(stacked)
        return lines if told is None else replace(lines, warnings=(*lines.warnings, told))
    values = stacked.astype(np.float64) * description.scale
    holes = ~np.isfinite(values)
    warnings: tuple[str, ...] = ()
    if holes.mean() > MOST_HOLES:
        raise ValueError(f"{where}: {100 * holes.mean():.0f} % of the readings are not finite")
    if holes.any():
        warnings = (f"{int(holes.sum())} readings are not finite and were filled from their neighbours",)
        values = bridged(np.where(holes, 0.0, values), holes)
    if description.values == "transmission":
        try:
            lines = from_transmission(values, description.photons)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    else:
        _refuse_intensities(values, where)
        variance = None if description.photons is None else np.exp(np.minimum(values, 60.0)) / description.photons
        lines = LineIntegrals(values, variance)
    if lines.variance is not None:
        lines.variance[holes] = np.inf
    return LineIntegrals(lines.values, lines.variance, warnings + lines.warnings)


def _frames(value: str | float | None, arrays: dict[str, NDArray[Any]], shape: tuple[int, ...], where: str) -> Float:
    if value is None:
        if where.endswith("flat"):
            raise ValueError(
                f"{where}: missing; counts need the open beam, an array or a number, to become line integrals"
            )
        return np.zeros((1, *shape[1:]))
    if not isinstance(value, str):
        return np.full((1, *shape[1:]), float(value))
    frames = arrays[value].astype(np.float64)
    if frames.ndim == len(shape) - 1:
        frames = frames[None]
    if frames.ndim == 2 and shape[1] == 1:
        frames = frames[:, None]
    if frames.ndim != 3 or frames.shape[1:] != shape[1:]:
        raise ValueError(f"{where} frames of shape {frames.shape} do not fit projections of {shape[1:]}")
    return frames


def _refuse_intensities(values: Float, where: str) -> None:
    """Line integrals are about zero in air and positive in the object; intensities are the other way round."""
    high, edge = float(values.max()), max(1, values.shape[-1] // 20)
    if float((values < LOWEST_LINE_INTEGRAL).mean()) > MOST_NEGATIVE:
        raise ValueError(
            f"{where}: line integrals down to {float(values.min()):g} cannot be: ln(I / I0) (scale = -1), or a flat "
            "field of another scan?"
        )
    if high > LARGEST_LINE_INTEGRAL:
        raise ValueError(
            f"{where}: line integrals up to {high:g} cannot be: counts (values = counts) or a scaled logarithm (scale)?"
        )
    outside = np.concatenate([values[..., :edge].ravel(), values[..., -edge:].ravel()])
    centre = values[..., values.shape[-1] // 4 : -(values.shape[-1] // 4) or None]
    air = float(np.median(outside))
    if 0.5 < air < 1.5 and float(values.min()) >= -0.2 and high < 1.6 and float(np.median(centre)) < air - 0.1:
        raise ValueError(
            f"{where}: about {air:.2g} beside the object and less behind it: transmission, not line integrals "
            "(values = transmission)"
        )


def _arranged(values: Float, beam: Beam) -> torch.Tensor:
    """`[view, row, column]` for a cone, `[slice, view, column]` else, in float32."""
    if beam.reversed_columns:
        values = values[..., ::-1]
    if beam.reversed_rows:
        values = values[:, ::-1]
    if beam.kind != "cone":
        values = values.transpose(1, 0, 2)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
