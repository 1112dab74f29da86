"""From what a parameter node says to a request: geometry, view angles, slices, and every plain field as it is."""

import json
from typing import Any

from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.spec import Specification
from ctdiffusion.methods.registry import RECONSTRUCTION, SUPERRESOLUTION

from ..queue.request import PROJECTIONS, reconstruction, request_for
from .fields import field_values, node_fields

# The values of `machine` that are no machine of the engine's: its own fit to the volume, and the user's own numbers.
FITTED, CUSTOM = "fitted", "custom"
# The value of `thinFactor` that leaves the factor to the engine; it would change nothing.
AUTOMATIC = 1


def request_of(parameters: Any, device: str, slices: tuple[int, int] | None = None) -> JobSpec:
    """The request that a parameter node describes.

    Args:
        parameters: a `CTDiffusionReconParameterNode`, or anything with its attributes.
        device: auto, cpu or cuda.
        slices: slices to reconstruct where an ROI decides.

    Raises:
        ValueError: one line that names what is not right.
    """
    values = field_values(parameters, node_fields(RECONSTRUCTION))
    values |= {
        "method": parameters.method,
        "parameters": method_parameters(parameters.methodParameters, parameters.method),
        "prior": parameters.prior or None,
        "device": device,
    }
    if parameters.inputKind.value == PROJECTIONS:
        # Nothing is simulated.
        values.pop("simulation", None)
        return reconstruction(**values, input_kind=PROJECTIONS, views=parameters.measuredViews or None)
    return reconstruction(**values, **scan_of(parameters), slices=chosen_slices(parameters, slices))


def thin_request_of(parameters: Any, device: str) -> Specification:
    """The super-resolution that a parameter node describes.

    Raises:
        ValueError: one line that names what is not right.
    """
    return request_for(
        SUPERRESOLUTION,
        **field_values(parameters, node_fields(SUPERRESOLUTION)),
        method=parameters.thinMethod,
        factor=None if parameters.thinFactor == AUTOMATIC else parameters.thinFactor,
        parameters=method_parameters(parameters.thinParameters, parameters.thinMethod),
        device=device,
    )


def scan_request_of(parameters: Any) -> JobSpec:
    """A request with the parameter node's scan, whatever else it says.

    Raises:
        ValueError: one line that says what is wrong with the scan.
    """
    return reconstruction(**scan_of(parameters))


def chosen_slices(parameters: Any, roi: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """(start, stop) of the slices to reconstruct, those of an ROI where it decides; None for all.

    Raises:
        ValueError: the last one comes before the first.
    """
    if parameters.sliceChoice.value != "range":
        return roi
    if parameters.firstSlice > parameters.lastSlice:
        raise ValueError(f"slices: {parameters.firstSlice} to {parameters.lastSlice} is no range")
    return (parameters.firstSlice, parameters.lastSlice + 1)


def method_parameters(text: str, method: str) -> dict[str, Any]:
    """The values of one method in the JSON text that the parameter node keeps; none where it is not readable."""
    try:
        values = json.loads(text or "{}").get(method, {})
    except (ValueError, AttributeError):
        return {}
    return dict(values) if isinstance(values, dict) else {}


def with_parameters(text: str, method: str, values: dict[str, Any]) -> str:
    """The JSON text with other values for one method; methods without any are left out."""
    try:
        everything = json.loads(text or "{}")
    except ValueError:
        everything = {}
    everything = {**everything, method: values} if isinstance(everything, dict) else {method: values}
    return json.dumps({k: v for k, v in everything.items() if v}, sort_keys=True)


def scan_of(parameters: Any) -> dict[str, Any]:
    """Geometry and view set, as arguments of a request."""
    beam, views = parameters.beam.value, parameters.viewSet.value
    if views == "list":
        scan = {"geometry": beam, "views": None, "angles_deg": angle_list(parameters.angles)}
    elif views == "limited":
        limited = (parameters.startAngle, parameters.limitedSpan)
        scan = {"geometry": beam, "views": parameters.views, "limited_deg": limited}
    else:
        arc = parameters.arc or None
        scan = {"geometry": beam, "views": parameters.views, "arc_deg": arc, "start_deg": parameters.startAngle}
    if parameters.machine == FITTED:
        return scan
    return {"geometry": explicit_geometry(parameters, reconstruction(**scan).angles())}


def explicit_geometry(parameters: Any, angles: tuple[float, ...]) -> dict[str, Any]:
    """The scan with its own distances and detector, as the engine writes a geometry (mm, angles in radians)."""
    beam = parameters.beam.value
    values: dict[str, Any] = {
        "kind": "fan" if beam == "fan-curved" else beam,
        "angles": list(angles),
        "columns": parameters.detectorColumns,
        "column_spacing": parameters.columnSpacing,
        "column_offset": parameters.columnOffset,
    }
    if beam == "parallel":
        return values
    # The engine refuses it as well, in the names of its fields.
    if parameters.sourceToDetector < parameters.sourceToIsocentre:
        raise ValueError("geometry: the detector must not be nearer to the source than the isocentre")
    values["source_to_isocentre"] = parameters.sourceToIsocentre
    values["source_to_detector"] = parameters.sourceToDetector
    if beam == "cone":
        values["rows"] = parameters.detectorRows
        values["row_spacing"] = parameters.rowSpacing
        values["row_offset"] = parameters.rowOffset
    else:
        values["curved"] = beam == "fan-curved"
    return values


def angle_list(text: str) -> tuple[float, ...]:
    """View angles in degrees from a text: numbers separated by commas, semicolons or spaces.

    Raises:
        ValueError: none, or something that is no number.
    """
    parts = text.replace(",", " ").replace(";", " ").split()
    if not parts:
        raise ValueError("angles: a list of view angles in degrees is needed")
    angles = []
    for part in parts:
        try:
            angles.append(float(part))
        except ValueError:
            raise ValueError(f"angles: {part[:20]!r} is not a number of degrees") from None
    return tuple(angles)
