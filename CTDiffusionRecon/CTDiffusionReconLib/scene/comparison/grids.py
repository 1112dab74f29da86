"""Volumes on each other's voxels, and values along points, by VTK's own interpolation."""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

# Marks voxels outside of a volume; no CT value comes near.
OUTSIDE = -1.0e30


def ijk_to_ras(volume) -> np.ndarray:
    """The 4 x 4 matrix of a volume node, its parent transform included where that is linear."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    values = slicer.util.arrayFromVTKMatrix(matrix)
    parent = volume.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        world = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(world)
        values = slicer.util.arrayFromVTKMatrix(world) @ values
    return values


def same_grid(one, other) -> bool:
    """Whether two volume nodes have the same voxels (to 1e-3 mm)."""
    if one.GetImageData() is None or other.GetImageData() is None:
        return False
    same_size = one.GetImageData().GetDimensions() == other.GetImageData().GetDimensions()
    return same_size and bool(np.allclose(ijk_to_ras(one), ijk_to_ras(other), atol=1e-3))


def bounds_of(volume) -> np.ndarray:
    """Lower and upper corner `[2, (R, A, S)]` in mm of the box around a volume node."""
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    return bounds.reshape(3, 2).T


def common_centre(volumes) -> np.ndarray:
    """The middle of the smallest of several volume nodes: a result may be but a slab of its input."""
    boxes = [bounds_of(volume) for volume in volumes]
    return min(boxes, key=lambda box: float(np.prod(box[1] - box[0]))).mean(axis=0)


def on_grid_of(volume, reference) -> tuple[np.ndarray, np.ndarray]:
    """The values of `volume` at the voxels of `reference`, `[slice, row, column]`, and a mask of those it covers."""
    if same_grid(volume, reference):
        values = slicer.util.arrayFromVolume(volume).astype(np.float32)
        return values, np.ones(values.shape, bool)
    matrix = slicer.util.vtkMatrixFromArray(np.linalg.inv(ijk_to_ras(volume)) @ ijk_to_ras(reference))
    to_voxels = vtk.vtkTransform()
    to_voxels.SetMatrix(matrix)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(volume.GetImageData())
    reslice.SetResliceTransform(to_voxels)
    reslice.SetInterpolationModeToLinear()
    reslice.SetOutputScalarType(vtk.VTK_FLOAT)
    reslice.SetBackgroundLevel(OUTSIDE)
    reslice.SetOutputOrigin(0.0, 0.0, 0.0)
    reslice.SetOutputSpacing(1.0, 1.0, 1.0)
    reslice.SetOutputExtent(reference.GetImageData().GetExtent())
    reslice.Update()
    image = reslice.GetOutput()
    columns, rows, slices = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(slices, rows, columns).copy()
    covered = values > 0.5 * OUTSIDE
    values[~covered] = 0.0
    return values, covered


def values_at(volume, points_ras: np.ndarray) -> np.ndarray:
    """Values of a volume node at points `[point, (R, A, S)]` in mm, trilinear; NaN outside of it."""
    count = len(points_ras)
    homogeneous = np.column_stack([points_ras, np.ones(count)])
    ijk = (np.linalg.inv(ijk_to_ras(volume)) @ homogeneous.T).T[:, :3]
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(ijk), deep=True))
    line = vtk.vtkPolyData()
    line.SetPoints(points)
    image = vtk.vtkImageData()
    image.ShallowCopy(volume.GetImageData())
    probe = vtk.vtkProbeFilter()
    probe.SetInputData(line)
    probe.SetSourceData(image)
    probe.Update()
    output = probe.GetOutput().GetPointData()
    values = vtk_to_numpy(output.GetScalars()).astype(np.float64)
    valid = vtk_to_numpy(output.GetArray(probe.GetValidPointMaskArrayName()))
    return np.where(valid > 0, values, np.nan)
