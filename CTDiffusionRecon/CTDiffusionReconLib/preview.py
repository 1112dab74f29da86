"""The live preview of a running job as a volume of one slice, where that slice lies in the input."""

from pathlib import Path
from typing import Any

import slicer
import vtk

from .inputs import InputRecord
from .job import ReconstructionJob

# The engine's preview maps this HU interval to 0..255.
LOW_HU, HIGH_HU = -1000.0, 1000.0


class Preview:
    """A temporary node that shows the middle slice as the job proceeds. It is neither saved nor offered as an input.

    Args:
        job: the job to follow.
        record: its input; without a place of its own the preview lies about the origin.
    """

    def __init__(self, job: ReconstructionJob, record: InputRecord) -> None:
        self.node: Any = None
        self._job, self._record = job, record
        self._shown = 0

    def update(self) -> bool:
        """Show the newest picture; returns whether there was one. A finished job's preview is removed."""
        if self._job.finished:
            self.remove()
            return False
        if self._job.preview_path is None or self._job.preview_count == self._shown:
            return False
        image = readPreview(self._job.preview_path)
        if image is None:
            return False
        self._shown = self._job.preview_count
        if self.node is None or self.node.GetScene() is not slicer.mrmlScene:
            self.node = self._made()
        self.node.SetAndObserveImageData(image)
        self.node.SetIJKToRASMatrix(self._place(image))
        return True

    def remove(self) -> None:
        """Take the node out of the scene."""
        if self.node is not None and self.node.GetScene() is slicer.mrmlScene:
            slicer.mrmlScene.RemoveNode(self.node)
        self.node = None

    def _made(self) -> Any:
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(slicer.mrmlScene.GenerateUniqueName(f"{self._job.name} preview"))
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        slicer.mrmlScene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        if display is not None:
            display.SetSaveWithScene(False)
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(HIGH_HU - LOW_HU, 0.5 * (HIGH_HU + LOW_HU))
        source = self._record.node
        if source is not None:
            node.SetAndObserveTransformNodeID(source.GetTransformNodeID())
        return node

    def _place(self, image: Any) -> Any:
        """The matrix of the middle slice; a picture on another grid covers the same extent."""
        matrix = vtk.vtkMatrix4x4()
        if self._record.ijk_to_ras is None:
            return matrix
        columns, rows, count = self._record.dimensions
        start, stop = self._job.request.slices or (0, count)
        middle = start + (stop - start) // 2
        wide, high, _ = image.GetDimensions()
        factors = (columns / wide, rows / high, 1.0)
        # The picture's first voxel centre, in voxels of the input, whose first voxel begins at -1/2.
        first = (0.5 * factors[0] - 0.5, 0.5 * factors[1] - 0.5, float(middle), 1.0)
        corner = self._record.ijk_to_ras.MultiplyPoint(first)
        for axis in range(3):
            for index in range(3):
                matrix.SetElement(axis, index, factors[index] * self._record.ijk_to_ras.GetElement(axis, index))
            matrix.SetElement(axis, 3, corner[axis])
        return matrix


def readPreview(path: Path) -> Any:
    """The picture as an image of one slice in HU (float), or None where it is not whole."""
    if not Path(path).is_file():
        return None
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    # A file that is being replaced is no reason for a message.
    reader.GlobalWarningDisplayOff()
    try:
        flip = vtk.vtkImageFlip()
        flip.SetInputConnection(reader.GetOutputPort())
        flip.SetFilteredAxis(1)
        scale = vtk.vtkImageShiftScale()
        scale.SetInputConnection(flip.GetOutputPort())
        scale.SetOutputScalarTypeToFloat()
        step = (HIGH_HU - LOW_HU) / 255.0
        scale.SetShift(LOW_HU / step)
        scale.SetScale(step)
        scale.Update()
    finally:
        reader.GlobalWarningDisplayOn()
    image = scale.GetOutput()
    if image is None or 0 in image.GetDimensions() or image.GetNumberOfScalarComponents() != 1:
        return None
    image.SetOrigin(0.0, 0.0, 0.0)
    image.SetSpacing(1.0, 1.0, 1.0)
    return image
