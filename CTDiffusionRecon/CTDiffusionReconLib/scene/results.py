"""A finished job's result as a volume node that lies exactly on its input."""

from pathlib import Path
from typing import Any

import slicer
import vtk
from ctdiffusion.jobs.reconstruction_spec import JobSpec
from ctdiffusion.jobs.spec import Specification
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec

from ..engine.slicerengine import scenesKeepPaths
from ..queue.job import ReconstructionJob
from .inputs import InputRecord
from .provenance import PREFIX, SINOGRAMS, attributes

# How far, in mm, the engine's geometry may be from the exported one; more means that something went wrong.
TOLERANCE_MM = 1e-2
# Shown where the input has no window of its own.
CT_WINDOW, CT_LEVEL = 1500.0, -100.0


def loadResult(job: ReconstructionJob, record: InputRecord, scene_generation: int, output: Any = None) -> Any:
    """Put a finished job's volume into the scene; returns its node.

    Args:
        job: done, with its result on disk.
        record: the input as it was.
        scene_generation: how often the scene has been closed by now.
        output: volume node to put the result into; a new one otherwise, or where it is no longer there.

    Raises:
        RuntimeError: the scene or the input is gone; the result stays on disk.
        ValueError, OSError: the file cannot be read or does not lie on the input.
    """
    if record.scene_generation != scene_generation:
        raise RuntimeError("the scene was closed meanwhile")
    source = record.node
    if record.reference is not None and source is None:
        raise RuntimeError(f"its input {record.name} was deleted meanwhile")
    path = job.result_path
    if path is None:
        raise OSError("the result's file is missing")
    volume = readVolume(path)
    if record.ijk_to_ras is not None:
        _place(volume, record, job.request)
        if not sameMatrix(currentMatrix(source), record.ijk_to_ras):
            job.warn(f"{record.name} was moved while the job ran; the result lies where it was before")
    return _intoScene(job, record, volume, source, _usable(output))


def readVolume(path: Path) -> Any:
    """A scalar volume node, not in a scene, from an NRRD file.

    Raises:
        OSError: it cannot be read.
    """
    node = slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    if not Path(path).is_file() or not storage.ReadData(node) or node.GetImageData() is None:
        raise OSError(f"{path}: the volume cannot be read")
    # Slicer makes attributes of whatever the file's header says.
    for name in list(node.GetAttributeNames()):
        node.RemoveAttribute(name)
    return node


def _place(volume: Any, record: InputRecord, request: Specification) -> None:
    if isinstance(request, SuperResolutionSpec):
        if not request.simulate_from_thin:
            placeBetween(volume, record)
            return
        # Thin slices were thickened first. Where some were left out, the result lies where its file says.
        if volume.GetImageData().GetDimensions() == record.size:
            placeOnInput(volume, record, None)
    else:
        placeOnInput(volume, record, request.slices if isinstance(request, JobSpec) else None)


def placeBetween(volume: Any, record: InputRecord) -> None:
    """Give thin slices the matrix of their thick ones, whose extent they share.

    Raises:
        ValueError: the result's own size or place contradicts it.
    """
    thick = record.size
    size = volume.GetImageData().GetDimensions()
    # The slices are thick along the third axis, but for volumes that are stored in another order.
    along = next((axis for axis in (2, 1, 0) if size[axis] != thick[axis]), 2)
    factor, rest = divmod(size[along], thick[along])
    if factor < 1 or rest or any(size[axis] != thick[axis] for axis in range(3) if axis != along):
        raise ValueError(f"a result of {size} voxels does not divide the slices of {record.name}, {thick}")
    wanted = vtk.vtkMatrix4x4()
    wanted.DeepCopy(record.ijk_to_ras)
    # The first thin slice begins where the first thick one does, half a thick slice before its centre.
    start = [0.0, 0.0, 0.0, 1.0]
    start[along] = 0.5 / factor - 0.5
    corner = record.ijk_to_ras.MultiplyPoint(start)
    for row in range(3):
        wanted.SetElement(row, along, record.ijk_to_ras.GetElement(row, along) / factor)
        wanted.SetElement(row, 3, corner[row])
    _moveTo(volume, wanted, record.name)


def placeOnInput(volume: Any, record: InputRecord, slices: tuple[int, int] | None) -> None:
    """Give a result the very matrix of its input, moved to its first slice.

    Raises:
        ValueError: the result's own size or place contradicts it.
    """
    columns, rows, count = record.size
    start, stop = slices or (0, count)
    size = volume.GetImageData().GetDimensions()
    if size != (columns, rows, stop - start):
        raise ValueError(f"a result of {size} voxels does not lie on {record.name}, {(columns, rows, stop - start)}")
    wanted = vtk.vtkMatrix4x4()
    wanted.DeepCopy(record.ijk_to_ras)
    corner = record.ijk_to_ras.MultiplyPoint((0.0, 0.0, float(start), 1.0))
    for axis in range(3):
        wanted.SetElement(axis, 3, corner[axis])
    _moveTo(volume, wanted, record.name)


def _moveTo(volume: Any, wanted: Any, name: str) -> None:
    """Replace a matrix read from a file, rounded, by the exact one."""
    found, size = currentMatrix(volume), volume.GetImageData().GetDimensions()
    for point in ((0, 0, 0), (size[0] - 1, size[1] - 1, size[2] - 1)):
        here, there = (m.MultiplyPoint((*point, 1.0)) for m in (found, wanted))
        if max(abs(a - b) for a, b in zip(here, there, strict=True)) > TOLERANCE_MM:
            raise ValueError(f"the result does not lie on {name}")
    volume.SetIJKToRASMatrix(wanted)


def currentMatrix(volume: Any) -> Any:
    """A volume node's IJK to RAS matrix."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def sameMatrix(one: Any, other: Any) -> bool:
    """Whether two matrices are equal."""
    return all(one.GetElement(i, j) == other.GetElement(i, j) for i in range(4) for j in range(4))


def _intoScene(job: ReconstructionJob, record: InputRecord, volume: Any, source: Any, output: Any) -> Any:
    scene = slicer.mrmlScene
    fresh = output is None
    node = volume if fresh else output
    try:
        if fresh:
            node.SetName(scene.GenerateUniqueName(f"{record.name} {job.request.label}"))
            scene.AddNode(node)
        else:
            node.SetAndObserveImageData(volume.GetImageData())
            node.SetIJKToRASMatrix(currentMatrix(volume))
        if source is not None:
            node.SetAndObserveTransformNodeID(source.GetTransformNodeID())
            if isinstance(job.request, JobSpec) or source.GetVoxelValueUnits() is not None:
                _copyUnits(source, node)
        _show(node, source)
        # A node that held another result must not keep what was known of that.
        for name in [name for name in node.GetAttributeNames() if name.startswith(PREFIX)]:
            node.RemoveAttribute(name)
        for role in ("Input", *SINOGRAMS.values()):
            node.RemoveNodeReferenceIDs(PREFIX + role)
        for name, value in attributes(job, record.name, scenesKeepPaths()).items():
            node.SetAttribute(name, value)
        if source is not None:
            node.SetNodeReferenceID(PREFIX + "Input", source.GetID())
            _below(source, node)
    except Exception:
        if fresh and node.GetScene() is scene:
            scene.RemoveNode(node)
        raise
    return node


def _usable(output: Any) -> Any:
    return output if output is not None and output.GetScene() is slicer.mrmlScene else None


def _copyUnits(source: Any, node: Any) -> None:
    quantity, units = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
    if source.GetVoxelValueQuantity() is not None and source.GetVoxelValueUnits() is not None:
        quantity.Copy(source.GetVoxelValueQuantity())
        units.Copy(source.GetVoxelValueUnits())
    else:
        quantity.SetValueSchemeMeaning("112031", "DCM", "Attenuation Coefficient")
        units.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    node.SetVoxelValueQuantity(quantity)
    node.SetVoxelValueUnits(units)


def _show(node: Any, source: Any) -> None:
    """Window, level and colours of the input; a CT window where it has none; automatic for measured projections."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    shown = None if source is None else source.GetDisplayNode()
    if display is None or source is None:
        return
    display.SetAutoWindowLevel(False)
    if shown is not None and shown.GetWindow() > 0:
        display.SetWindowLevel(shown.GetWindow(), shown.GetLevel())
        if shown.GetColorNodeID():
            display.SetAndObserveColorNodeID(shown.GetColorNodeID())
    else:
        display.SetWindowLevel(CT_WINDOW, CT_LEVEL)


def _below(source: Any, node: Any) -> None:
    """Put a node under its input in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if hierarchy is None:
        return
    parent, child = hierarchy.GetItemByDataNode(source), hierarchy.GetItemByDataNode(node)
    if parent and child:
        hierarchy.SetItemParent(child, parent)
