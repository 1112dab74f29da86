"""Regions of a scene (segment, ROI, label map) as masks on a volume node, and what a result is worth in them."""

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .comparison.grids import ijk_to_ras, on_grid_of, same_grid
from .provenance import PREFIX
from .regionmetrics import region_metrics


def metricsInRegion(result: Any, region: Any, segment: str | None = None, reference: Any = None) -> dict[str, float]:
    """Quality of a result inside a region, see `regionmetrics.region_metrics`.

    Args:
        result: volume node of a reconstruction.
        region: segmentation node, markups ROI node or label map volume node.
        segment: ID or name of the segment of a segmentation; its first one otherwise.
        reference: volume node to compare with; the result's input otherwise.

    Raises:
        ValueError: no region or no reference, or they do not touch the result.
    """
    if result is None or result.GetImageData() is None:
        raise ValueError("result: choose a volume")
    reference = reference if reference is not None else result.GetNodeReference(PREFIX + "Input")
    if reference is None or reference.GetImageData() is None:
        raise ValueError(f"{result.GetName()}: there is no reference volume; choose one")
    there, covered = on_grid_of(reference, result)
    mask = maskOf(result, region, segment) & covered
    values = slicer.util.arrayFromVolume(result)
    return region_metrics(values, there.astype(np.float32, copy=False), mask)


def maskOf(volume: Any, region: Any, segment: str | None = None) -> np.ndarray:
    """A region as a mask `[slice, row, column]` on a volume node's voxels: true where a voxel's centre lies in it.

    Raises:
        ValueError: no region, an unknown segment, or a node that is no region.
    """
    if region is None:
        raise ValueError("region: choose a segment or an ROI")
    if region.IsA("vtkMRMLSegmentationNode"):
        return _segment(volume, region, segment)
    if region.IsA("vtkMRMLMarkupsROINode"):
        return _roi(volume, region)
    if region.IsA("vtkMRMLLabelMapVolumeNode"):
        return _labels(volume, region)
    raise ValueError(f"{region.GetName()}: neither a segmentation nor an ROI nor a label map")


def _segment(volume: Any, node: Any, segment: str | None) -> np.ndarray:
    segmentation = node.GetSegmentation()
    chosen = segment or (segmentation.GetNthSegmentID(0) if segmentation.GetNumberOfSegments() else None)
    if chosen is None:
        raise ValueError(f"{node.GetName()}: the segmentation has no segment")
    if segmentation.GetSegment(chosen) is None:
        named = segmentation.GetSegmentIdBySegmentName(chosen)
        if not named:
            raise ValueError(f"{node.GetName()}: there is no segment {chosen}")
        chosen = named
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, chosen, volume) > 0


def _roi(volume: Any, roi: Any) -> np.ndarray:
    """Inside the box, however it is turned."""
    size = roi.GetSize()
    world_to_box = np.linalg.inv(slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix()))
    to_box = world_to_box @ ijk_to_ras(volume)
    columns, rows, slices = volume.GetImageData().GetDimensions()
    mask = np.zeros((slices, rows, columns), bool)
    i, j = np.arange(columns)[None, :], np.arange(rows)[:, None]
    for k in range(slices):
        place = [to_box[axis, 0] * i + to_box[axis, 1] * j + to_box[axis, 2] * k + to_box[axis, 3] for axis in range(3)]
        mask[k] = np.all([np.abs(p) <= 0.5 * s for p, s in zip(place, size, strict=True)], axis=0)
    return mask


def _labels(volume: Any, labels: Any) -> np.ndarray:
    """Where a label map is not zero; the nearest voxel where the grids differ."""
    if same_grid(labels, volume):
        return slicer.util.arrayFromVolume(labels) > 0
    matrix = np.linalg.inv(ijk_to_ras(labels)) @ ijk_to_ras(volume)
    transform = vtk.vtkTransform()
    transform.SetMatrix(slicer.util.vtkMatrixFromArray(matrix))
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(labels.GetImageData())
    reslice.SetResliceTransform(transform)
    reslice.SetInterpolationModeToNearestNeighbor()
    reslice.SetOutputOrigin(0.0, 0.0, 0.0)
    reslice.SetOutputSpacing(1.0, 1.0, 1.0)
    reslice.SetOutputExtent(volume.GetImageData().GetExtent())
    reslice.Update()
    image = reslice.GetOutput()
    columns, rows, slices = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    return values.reshape(slices, rows, columns) > 0
