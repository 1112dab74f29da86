"""The input of a job as it was when the job started: its place, its look, and its voxels on disk."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import slicer
import vtk
from ctdiffusion.images.orientation import nearest_order, slice_axis
from ctdiffusion.images.pixels import Direction

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


def patientAxes(volume: Any) -> tuple[int, int, int]:
    """Which of a volume node's index axes run nearest to left, posterior and superior, as the engine takes them."""
    return nearest_order(_directionLPS(volume))[0]


def sliceAxis(volume: Any) -> int:
    """Along which of a volume node's index axes the engine takes its slices for thick."""
    return slice_axis(volume.GetSpacing(), _directionLPS(volume))


def _directionLPS(volume: Any) -> Direction:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASDirectionMatrix(matrix)
    signs = (-1.0, -1.0, 1.0)
    cosines = (sign * matrix.GetElement(row, axis) for row, sign in enumerate(signs) for axis in range(3))
    return cast(Direction, tuple(cosines))


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
    Nothing but voxels and place is written: a volume from DICOM has the patient's identifiers in its attributes.

    Raises:
        OSError: the folder cannot be written to.
    """
    path = folder / INPUT_FILE
    # Readable by its owner alone, from its first byte on, wherever the folder lies.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # A storage node of our own: the volume keeps its file name and its "modified" state.
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(False)
    bare = slicer.vtkMRMLScalarVolumeNode()
    bare.SetAndObserveImageData(volume.GetImageData())
    bare.SetIJKToRASMatrix(recordOf(volume, 0).ijk_to_ras)
    if not storage.WriteData(bare) or not path.is_file() or path.stat().st_size == 0:
        path.unlink(missing_ok=True)
        raise OSError(f"{path}: the input cannot be written (is the disk full?)")
    return path
