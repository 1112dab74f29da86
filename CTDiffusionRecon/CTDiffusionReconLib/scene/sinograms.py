"""Projections and residual of a result as volume nodes, to be looked at."""

from pathlib import Path
from typing import Any

import slicer

from ..engine.slicerengine import findJobFolder
from ..queue.job import ReconstructionJob
from .provenance import PREFIX, SINOGRAMS
from .results import readVolume


def loadSinograms(jobOrNode: Any) -> tuple[Any, Any]:
    """The line integrals and the residual A x - y of a result, as nodes `[slice, view, column]` (cone beam:
    `[view, row, column]`); columns in mm on the detector, views in degrees. Both lie under the result, and are loaded
    once: those that the scene still has are given again.

    Args:
        jobOrNode: a finished job, or the volume node of its result.

    Raises:
        ValueError: the result was not made with `keep_projections`, or its job folder is no longer there.
        OSError: a file cannot be read.
    """
    folder, result, name = _where(jobOrNode)
    known = {} if result is None else {r: result.GetNodeReference(PREFIX + r) for r in SINOGRAMS.values()}
    fresh = {role: _read(folder, file, name) for file, role in SINOGRAMS.items() if known.get(role) is None}
    for role, volume in fresh.items():
        _add(volume, f"{name} {role.lower()}", result)
        if result is not None:
            result.SetNodeReferenceID(PREFIX + role, volume.GetID())
        if role == "Residual":
            _symmetric(volume)
    nodes = {**known, **fresh}
    return nodes["Projections"], nodes["Residual"]


def _read(folder: Path, file: str, name: str) -> Any:
    path = folder / "result" / file
    if not path.is_file():
        raise ValueError(f"{name}: its job folder holds no {file} (keep_projections was off, or it is gone)")
    return readVolume(path)


def _where(jobOrNode: Any) -> tuple[Path, Any, str]:
    if isinstance(jobOrNode, ReconstructionJob):
        return jobOrNode.folder, jobOrNode.resultNode, jobOrNode.name
    folder = jobOrNode.GetAttribute(PREFIX + "JobFolder") if jobOrNode is not None else None
    if not folder:
        raise ValueError("sinograms: choose a volume that was reconstructed here")
    return findJobFolder(folder), jobOrNode, jobOrNode.GetName()


def _add(volume: Any, name: str, result: Any) -> None:
    scene = slicer.mrmlScene
    volume.SetName(scene.GenerateUniqueName(name))
    volume.SetAttribute(PREFIX + "Sinogram", "1")
    scene.AddNode(volume)
    volume.CreateDefaultDisplayNodes()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is not None and result is not None and result.GetScene() is scene:
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), hierarchy.GetItemByDataNode(result))


def _symmetric(volume: Any) -> None:
    """Show a residual with zero in the middle of its greys."""
    display = volume.GetDisplayNode()
    if display is not None:
        low, high = volume.GetImageData().GetScalarRange()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(max(2.0 * max(abs(low), abs(high)), 1e-6), 0.0)
