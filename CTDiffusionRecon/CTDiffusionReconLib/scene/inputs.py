"""The input of a job as it was when the job started: its place, its look, and its voxels on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk

from ..queue.request import INPUT_FILE


@dataclass(frozen=True, eq=False)
class InputRecord:
    """What a result needs to know of its input.

    Attributes:
        name: the input's name.
        reference: weak reference to the volume node; None for a file.
        ijk_to_ras: 4x4 matrix of the exported voxels, None for a file.
        dimensions: columns, rows, slices of the exported voxels, None for a file.
        scene_generation: how often the scene had been closed when the job started.
    """

    name: str
    reference: Any = None
    ijk_to_ras: Any = None
    dimensions: tuple[int, int, int] | None = None
    scene_generation: int = 0

    @property
    def size(self) -> tuple[int, int, int]:
        """Columns, rows, slices of a volume node's exported voxels."""
        assert self.dimensions is not None, "a file has none"
        return self.dimensions

    @property
    def node(self) -> Any:
        """The input node while it is in the scene, else None."""
        node = None if self.reference is None else self.reference.Get()
        return node if node is not None and node.GetScene() is slicer.mrmlScene else None


def recordOf(volume: Any, scene_generation: int) -> InputRecord:
    """The record of a volume node."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    size = volume.GetImageData().GetDimensions()
    return InputRecord(volume.GetName() or "volume", weakly(volume), matrix, tuple(size), scene_generation)


def weakly(node: Any) -> Any:
    """A reference that does not keep a node, and hundreds of megabytes with it, alive; `Get()` gives it or None."""
    reference = vtk.vtkWeakReference()
    reference.Set(node)
    return reference


def checkVolume(volume: Any) -> None:
    """Refuse what is not one scalar image.

    Raises:
        ValueError: the text names the node and what is wrong with it.
    """
    if volume is None:
        raise ValueError("input: choose a volume")
    if not hasattr(volume, "IsA") or not volume.IsA("vtkMRMLVolumeNode"):
        raise ValueError(f"input: expected a volume node or a path, got {type(volume).__name__}")
    name = volume.GetName()
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise ValueError(f"{name}: a label map, not a CT volume")
    if not volume.IsA("vtkMRMLScalarVolumeNode") or volume.IsA("vtkMRMLTensorVolumeNode"):
        raise ValueError(f"{name}: not a scalar volume")
    image = volume.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise ValueError(f"{name}: the volume has no voxels")
    if image.GetNumberOfScalarComponents() != 1:
        raise ValueError(f"{name}: {image.GetNumberOfScalarComponents()} components a voxel, not a scalar volume")


def exportVolume(volume: Any, folder: Path) -> Path:
    """Write a volume node's voxels, in its own coordinates and without its parent transform; the node stays untouched.

    Raises:
        OSError: the folder cannot be written to.
    """
    path = folder / INPUT_FILE
    # A storage node of our own: the volume keeps its file name and its "modified" state.
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(False)
    if not storage.WriteData(volume) or not path.is_file():
        path.unlink(missing_ok=True)
        raise OSError(f"{path}: the input cannot be written (is the disk full?)")
    return path
