"""What is refused before anything is written or started: inputs and options that cannot be, or do not fit together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine.catalogue import check_values, method_named, shipped_catalogue
from ..engine.estimate import geometry_of, grid_of
from ..scene.inputs import checkVolume, patientAxes
from .request import ReconstructionRequest, input_kind_of
from .slicerequest import SuperResolutionRequest

Request = ReconstructionRequest | SuperResolutionRequest


def checked(
    source: Any, method: str, output: Any, inputKind: str | None, request: Request | None, options: Mapping[str, Any]
) -> tuple[str, Request]:
    """The kind of input and the request that `ReconstructionLogic.start` means.

    Raises:
        ValueError: an input or an option that is refused; one line that names it.
    """
    kind = _kindOf(source, inputKind)
    if request is None:
        if kind == "projections":
            options = {"geometry": None, "views": None, **options}
        request = ReconstructionRequest(**{"method": method, **known(options)})
    elif options:
        raise ValueError(f"{next(iter(options))}: not together with a request")
    _checkParameters(request)
    if not isinstance(source, (str, Path)):
        checkVolume(source)
        if output is not None and output is source:
            raise ValueError("output: choose another volume than the input")
        if isinstance(request, ReconstructionRequest):
            _checkScan(source, request)
    elif not Path(source).exists():
        raise ValueError(f"{source}: no such file or folder")
    request.spec("input", kind)
    return kind, request


def known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options themselves, if they are those of a reconstruction.

    Raises:
        ValueError: one of them is not.
    """
    names = ReconstructionRequest.__dataclass_fields__
    for name in options:
        if name not in names:
            raise ValueError(f"{name}: unknown option (known: {', '.join(names)})")
    return options


def _kindOf(source: Any, kind: str | None) -> str:
    if not isinstance(source, (str, Path)):
        if kind == "projections":
            raise ValueError("input: measured projections are read from a file, not from a volume node")
        return "volume"
    return kind or input_kind_of(source)


def _checkParameters(request: Request) -> None:
    catalogue = shipped_catalogue()
    if isinstance(request, ReconstructionRequest):
        check_values(method_named(catalogue, request.method)["parameters"], request.parameters)
        check_values(catalogue["simulation"], request.simulation, "simulation")
    else:
        check_values(method_named(catalogue, request.method, "superresolution")["parameters"], request.parameters)


def _checkScan(volume: Any, request: ReconstructionRequest) -> None:
    """Refuse slices that the volume does not have, and a source inside of it."""
    size = volume.GetImageData().GetDimensions()
    if request.slices is not None and request.slices[1] > size[2]:
        raise ValueError(f"slices: {request.slices[0]}:{request.slices[1]} is outside the volume's 0:{size[2]}")
    grid = grid_of(size, volume.GetSpacing(), request.slices, patientAxes(volume))
    geometry_of(request, grid).check(grid)
