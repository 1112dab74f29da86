"""Geometry files that others wrote, turned into this program's format. docs/measured-projections.md lists them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from .declared import DECLARED
from .fields import Fields

# Texts that are searched for a number are this long at most; those of real notes have a few words.
LONGEST_NOTE = 500


def adapted(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same geometry in this program's format.

    Raises:
        ValueError: a layout that is not known.
    """
    if "distanceSourceOrigin_mm" in values:
        return _helsinki(Fields(values, path.name), path)
    if "rotation_center_pixel" in values:
        return _parallel(Fields(values, path.name), path.name)
    raise ValueError(f"{path.name}.format: missing; see docs/measured-projections.md for the format of a geometry file")


def _helsinki(fields: Fields, path: Path) -> dict[str, Any]:
    """Helsinki Tomography Challenge 2022: flat-detector fan, angles as ASTRA's `fanflat` takes them.

    ASTRA's y axis points up the image, this engine's down it, so view t of theirs is view pi - t of ours with the
    columns counted the other way.
    """
    pixel = fields.number("effective_pixel_mm", positive=True)
    return {
        "format": "ctdiffusion-projections",
        "version": 1,
        "name": fields.text("name", path.stem),
        "file": f"{path.stem}.npz",
        "data": "sinogram",
        "axes": ["view", "column"],
        "values": "line-integrals",
        "angles": {"array": "angles_deg", "unit": "deg", "sense": -1, "start": 180.0},
        "geometry": {
            "kind": "fan",
            "source_to_isocentre_mm": fields.number("distanceSourceOrigin_mm", positive=True),
            "source_to_detector_mm": fields.number("distanceSourceDetector_mm", positive=True),
            "column_spacing_mm": fields.number("detector_pixel_mm", positive=True),
            "reversed_columns": True,
        },
        "grid_shape": [1, 512, 512],
        "grid_spacing_mm": [pixel, pixel, pixel],
    }


def _parallel(fields: Fields, where: str) -> dict[str, Any]:
    """Synchrotron scans with a rotation centre in columns: HDF5 exchange counts, or logarithms in an NPZ."""
    name, file = fields.text("name"), fields.text("file")
    centre = _leading_number(fields.any("rotation_center_pixel"), f"{where}.rotation_center_pixel")
    result: dict[str, Any] = {
        "format": "ctdiffusion-projections",
        "version": 1,
        "name": name,
        "file": file,
        "geometry": {"kind": "parallel", "rotation_centre_column": centre},
    }
    pixel = fields.number("detector_pixel_mm", None, positive=True)
    if pixel is not None:
        result["geometry"]["column_spacing_mm"] = pixel
    if fields.flag("log_transformed"):
        factor = re.search(r"(\d+(\.\d+)?)\s*\*\s*ln", _note(fields.any("scale", ""), f"{where}.scale"))
        if factor and not float(factor.group(1)) > 0.0:
            raise ValueError(f"{where}.scale: must be a positive multiple of ln(x), got {factor.group(0)!r}")
        return result | {
            "data": "sinogram",
            "axes": ["view", "column"],
            "values": "line-integrals",
            "scale": 1.0 / float(factor.group(1)) if factor else 1.0,
            "angles": {"array": "angles_deg", "unit": "deg"},
        }
    return result | exchange()


def _leading_number(value: Any, where: str) -> float | None:
    """A number, or a text that begins with one and may add words ("630 (array centre)")."""
    if value is None:
        return None
    text = _note(value, where)
    found = re.match(r"\s*([-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?)(\s|$)", text)
    if isinstance(value, bool) or found is None or not math.isfinite(float(found.group(1))):
        raise ValueError(f"{where}: must begin with a number, got {text[:60]!r}")
    return float(found.group(1))


def _note(value: Any, where: str) -> str:
    """A number or a text of bounded length, as text: searching a long one takes the square of its length."""
    if isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) > LONGEST_NOTE):
        raise ValueError(f"{where}: must be a number or a text of at most {LONGEST_NOTE} characters")
    return str(value)


def exchange() -> dict[str, Any]:
    """The data exchange layout of synchrotrons, De Carlo et al. 2014, doi:10.1107/S160057751401604X."""
    return {
        "data": "/exchange/data",
        "axes": ["view", "slice", "column"],
        "values": "counts",
        "flat": "/exchange/data_white",
        "dark": "/exchange/data_dark",
        "angles": {"array": "/exchange/theta", "unit": DECLARED},
    }
