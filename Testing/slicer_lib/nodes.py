"""Volume nodes for tests."""

from __future__ import annotations

import numpy as np
from job_helpers import phantom


def volume_node(name: str = "CT chest", slices: int = 4, oblique: bool = True, left_handed: bool = False):
    """The phantom as a volume node, turned and shifted in space."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, phantom(slices).array.astype(np.int16))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix(oblique, left_handed)))
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(777.0, 33.0)
    return node


def matrix(oblique: bool = True, left_handed: bool = False) -> np.ndarray:
    """IJK to RAS with voxels of 2 x 2 x 3 mm."""
    turn = np.array([[0.0, -0.8, 0.6], [1.0, 0.0, 0.0], [0.0, 0.6, 0.8]]) if oblique else np.diag([-1.0, -1.0, 1.0])
    if left_handed:
        turn[:, 2] *= -1.0
    values = np.eye(4)
    values[:3, :3] = turn * [2.0, 2.0, 3.0]
    values[:3, 3] = [11.5, -20.25, 333.125]
    return values


def matrix_of(node) -> np.ndarray:
    """A node's IJK to RAS matrix."""
    import slicer
    import vtk

    found = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(found)
    return slicer.util.arrayFromVTKMatrix(found)
