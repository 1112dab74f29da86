"""The geometry file: what a data file of projections holds and how it was taken. docs/measured-projections.md."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.regularfile import read_regular
from ...core.strictjson import load_object, shorten
from .adapters import adapted
from .declared import DECLARED
from .fields import SMALLEST, Fields

FORMAT = "ctdiffusion-projections"
KINDS = ("parallel", "fan", "fan-curved", "cone")
VALUES = ("line-integrals", "transmission", "counts")
AXES = ("slice", "view", "row", "column")
LARGEST_FILE = 50_000_000
MOST_VIEWS = 100_000
# Of brackets, and of whole numbers: Python converts no more, and a shorter one is refused by its field.
DEEPEST, MOST_DIGITS = 32, 4000
# Pitch of a detector in mm, and attenuation of water in 1/mm at the lowest energy of any scanner.
LARGEST_PITCH, LARGEST_WATER = 1e3, 1e3


@dataclass(frozen=True)
class Beam:
    """Lengths in mm. `column_spacing` is None where the detector's pixel size was not recorded."""

    kind: str
    source_to_isocentre: float | None
    source_to_detector: float | None
    column_spacing: float | None
    row_spacing: float | None
    column_offset: float
    row_offset: float
    rotation_centre_column: float | None
    reversed_columns: bool
    reversed_rows: bool


@dataclass(frozen=True)
class Angles:
    """View angles: `values` as listed, or the name of the `array` that holds them.

    The engine's angle is `sense * value + start`, all in `unit`: deg, rad, or declared (as the array's own attribute
    says, else degrees).
    """

    values: tuple[float, ...] | None
    array: str | None
    unit: str
    sense: int
    start: float


@dataclass(frozen=True)
class Description:
    """A geometry file, checked but for what only the data can tell."""

    name: str
    file: Path
    data: str
    axes: tuple[str, ...]
    values: str
    scale: float
    flat: str | float | None
    dark: str | float | None
    saturation: float | None
    photons: float | None
    photons_per_count: float | None
    beam: Beam
    angles: Angles
    grid_shape: tuple[int, int, int] | None
    grid_spacing: tuple[float, float, float] | None
    mu_water: float | None


def read_description(path: Path, named: Path | None = None) -> Description:
    """Read a geometry file, in this program's format or in one of those that `adapters` knows.

    Args:
        path: the geometry file.
        named: the data file, where the user named that one: it may be a link to another folder.

    Raises:
        ValueError: no regular file of a bounded size, not JSON, an unknown or missing field, a key that appears twice,
            a wrong type or a data file outside its folder.
    """
    try:
        text = read_regular(path, LARGEST_FILE).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name}: not UTF-8 text") from None
    values = load_object(text, path.name, DEEPEST, MOST_DIGITS)
    if "format" not in values:
        values = adapted(values, path)
    return parse_description(values, path, named)


def parse_description(values: Any, path: Path, named: Path | None = None) -> Description:
    """Check the values of a geometry file that lies, or would lie, at `path`; see `read_description`."""
    top = Fields(values, path.name)
    top.choice("format", (FORMAT,))
    version = top.number("version")
    if version != 1:
        raise ValueError(f"{path.name}.version: this program reads version 1, got {version!r}")
    top.any("comment", None)
    description = Description(
        name=top.text("name", path.stem),
        file=_beside(path, top.text("file"), named),
        data=top.text("data"),
        axes=_axes(top.texts("axes"), path.name),
        values=top.choice("values", VALUES),
        scale=float(top.number("scale", 1.0)),
        flat=top.text_or_number("flat"),
        dark=top.text_or_number("dark"),
        saturation=top.number("saturation", None, positive=True),
        photons=top.number("photons", None, positive=True),
        photons_per_count=top.number("photons_per_count", None, positive=True),
        beam=_beam(top.inside("geometry")),
        angles=_angles(top.inside("angles"), path.name),
        grid_shape=_shape(top, path.name),
        grid_spacing=top.numbers("grid_spacing_mm", 3, None),
        mu_water=top.length("mu_water_per_mm", None, LARGEST_WATER),
    )
    top.finish()
    if description.grid_spacing and not all(SMALLEST <= s <= LARGEST_PITCH for s in description.grid_spacing):
        raise ValueError(f"{path.name}.grid_spacing_mm: must be from {SMALLEST:g} to {LARGEST_PITCH:g}")
    if description.scale == 0.0:
        raise ValueError(f"{path.name}.scale: must not be 0, which leaves nothing of the data")
    _check_detector(description, path.name)
    return description


def _beside(path: Path, name: str, named: Path | None) -> Path:
    """The data file by the name it has beside the geometry file, which a link there may have given it.

    What lies outside that folder is refused, unless it is what the user named: then the user has chosen it. Where the
    geometry file itself was named through a link, the data may also lie beside the file that it leads to.
    """
    where, shown = f"{path.name}.file", shorten(name)
    if "\0" in name or any("\ud800" <= c <= "\udfff" for c in name):
        raise ValueError(f"{where}: {shown} is no name that a file can have")
    try:
        folder = path.parent.resolve()
        if path.is_symlink() and not os.path.lexists(folder / name):
            folder = path.resolve().parent
        place = Path(os.path.normpath(folder / name))
        target = place.resolve()
        chosen = named is not None and place == named.parent.resolve() / named.name
        if not chosen and (folder not in place.parents or folder not in target.parents):
            raise ValueError(f"{where}: {shown} lies outside the folder of the geometry file; not followed")
        if not target.exists():
            raise ValueError(f"{where}: {shown} is missing")
        if not target.is_file():
            raise ValueError(f"{where}: {shown} is not a regular file")
    except (OSError, RuntimeError) as error:
        # Names that are too long, and links that go round in circles.
        why = getattr(error, "strerror", None) or "links that go round in circles"
        raise ValueError(f"{where}: {shown} cannot be used: {why}") from None
    return place


def _axes(axes: tuple[str, ...], where: str) -> tuple[str, ...]:
    if len(set(axes)) != len(axes) or not {"view", "column"} <= set(axes) <= set(AXES):
        raise ValueError(
            f"{where}.axes: must name each axis once out of {', '.join(AXES)}, with view and column: {axes}"
        )
    return axes


def _shape(top: Fields, where: str) -> tuple[int, int, int] | None:
    shape = top.numbers("grid_shape", 3, None)
    if shape is None:
        return None
    if any(n != int(n) or n < 1 for n in shape):
        raise ValueError(f"{where}.grid_shape: must be three positive counts (slices, rows, columns), got {shape}")
    return (int(shape[0]), int(shape[1]), int(shape[2]))


def _beam(fields: Fields) -> Beam:
    kind = fields.choice("kind", KINDS)
    near = default = None
    if kind != "parallel":
        near = fields.length("source_to_isocentre_mm")
        default = fields.length("source_to_detector_mm")
    beam = Beam(
        kind=kind,
        source_to_isocentre=near,
        source_to_detector=default,
        column_spacing=fields.length("column_spacing_mm", None, LARGEST_PITCH),
        row_spacing=fields.length("row_spacing_mm", None, LARGEST_PITCH),
        column_offset=float(fields.offset("column_offset_mm", 0.0)),
        row_offset=float(fields.offset("row_offset_mm", 0.0)),
        rotation_centre_column=fields.offset("rotation_centre_column", None),
        reversed_columns=fields.flag("reversed_columns"),
        reversed_rows=fields.flag("reversed_rows"),
    )
    fields.finish()
    return beam


def _angles(fields: Fields, where: str) -> Angles:
    array, values = fields.text("array", None), fields.numbers("values", default=None)
    step, count = fields.number("step", None), fields.number("count", None, positive=True)
    if (step is None) != (count is None) or sum(v is not None for v in (array, values, step)) != 1:
        raise ValueError(f"{where}.angles: give one of array, values, or step and count")
    if step is not None:
        if not (float(count).is_integer() and count <= MOST_VIEWS):
            raise ValueError(f"{where}.angles.count: must be a whole number up to {MOST_VIEWS}, got {count!r}")
        values = tuple(step * k for k in range(int(count)))
    sense = fields.number("sense", 1)
    if sense not in (1, -1):
        raise ValueError(f"{where}.angles.sense: must be 1 or -1, got {sense!r}")
    unit = fields.choice("unit", ("deg", "rad", DECLARED))
    angles = Angles(values, array, unit, int(sense), float(fields.number("start", 0.0)))
    fields.finish()
    return angles


def _check_detector(description: Description, where: str) -> None:
    beam, axes = description.beam, description.axes
    if beam.column_offset and beam.rotation_centre_column is not None:
        raise ValueError(f"{where}.geometry: give column_offset_mm or rotation_centre_column, not both")
    if beam.kind == "cone" and "row" not in axes:
        raise ValueError(f"{where}.axes: a cone beam needs row, view and column, got {axes}")
    if beam.kind == "cone" and "slice" in axes:
        raise ValueError(f"{where}.axes: a cone beam has rows, not slices, got {axes}")
    if beam.kind.startswith("fan") and "row" in axes:
        raise ValueError(f"{where}.axes: a fan beam has one detector row; name stacked slices 'slice', got {axes}")
    if "row" in axes and "slice" in axes:
        raise ValueError(f"{where}.axes: the rows of a parallel beam are slices; name one of them, got {axes}")
    if (
        description.values != "counts"
        and (description.flat, description.dark, description.photons_per_count) != (None,) * 3
    ):
        raise ValueError(f"{where}: flat, dark and photons_per_count belong to values = counts only")
    if description.values == "counts" and description.photons is not None:
        raise ValueError(f"{where}.photons: belongs to line integrals and transmission; for counts: photons_per_count")
