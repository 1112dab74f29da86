"""What is refused before anything is written or started: inputs that cannot be, or do not fit what is asked for."""

from pathlib import Path
from typing import Any

from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.spec import Specification

from ..engine.estimate import geometry_of, grid_of
from ..queue.request import INPUT_FILE, PROJECTIONS, VOLUME, changed, input_kind_of, kind_of
from .inputs import checkVolume, patientAxes


def checked(source: Any, output: Any, request: Specification) -> Specification:
    """The request with its input: the file, or the one that a volume node will be written to.

    Raises:
        ValueError: an input that is refused; one line that names it.
    """
    if isinstance(source, (str, Path)):
        if not isinstance(request, JobSpec) and input_kind_of(source) == PROJECTIONS:
            raise ValueError("input: super-resolution takes a volume, not projections")
        if not Path(source).exists():
            raise ValueError(f"{source}: no such file or folder")
        return changed(request, input=str(Path(source).resolve()))
    kindOfSource(source, kind_of(request))
    checkVolume(source)
    if output is not None and output is source:
        raise ValueError("output: choose another volume than the input")
    if isinstance(request, JobSpec):
        _checkScan(source, request)
    return request if request.input == INPUT_FILE else changed(request, input=INPUT_FILE)


def kindOfSource(source: Any, kind: str | None = None) -> str:
    """volume or projections, from a file's suffix where nothing else is said; a node is a volume.

    Raises:
        ValueError: a node is to be projections.
    """
    if isinstance(source, (str, Path)):
        return kind or input_kind_of(source)
    if kind == PROJECTIONS:
        raise ValueError("input: measured projections are read from a file, not from a volume node")
    return VOLUME


def _checkScan(volume: Any, request: JobSpec) -> None:
    """Refuse slices that the volume does not have, and a source inside of it."""
    size = volume.GetImageData().GetDimensions()
    if request.slices is not None and request.slices[1] > size[2]:
        raise ValueError(f"slices: {request.slices[0]}:{request.slices[1]} is outside the volume's 0:{size[2]}")
    grid = grid_of(size, volume.GetSpacing(), request.slices, patientAxes(volume))
    geometry_of(request, grid).check(grid)
