"""Metrics inside a region: the engine's definitions, and the right voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ctdiffusion.images.volume import Volume
from ctdiffusion.quality.metrics import compare, field_of_view, ssim_map
from CTDiffusionReconLib.scene.regionmetrics import region_metrics
from nodes import matrix, volume_node


def pair(slices: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    reference = random.normal(0, 600, (slices, 24, 20)).astype(np.float32)
    return (reference + random.normal(20, 80, reference.shape)).astype(np.float32), reference


@pytest.mark.parametrize("slices", [12, 4])
def test_the_whole_field_of_view_gives_the_engines_numbers(slices):
    result, reference = pair(slices)
    spacing = (1.0, 1.0, 1.0)
    mask = np.array(field_of_view(Volume(reference, spacing)))
    expected = compare(Volume(result, spacing), Volume(reference, spacing))
    found = region_metrics(result, reference, mask)
    for name in ("psnr", "rmse_hu"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6)
    if slices >= 7:
        assert found["ssim"] == pytest.approx(expected["ssim"], rel=1e-9)


def test_a_small_region_anywhere():
    result, reference = pair()
    mask = np.zeros(result.shape, bool)
    mask[2:6, 10:15, 0:9] = True
    x, y = (np.clip(a, -1000, 1000).astype(np.float64) for a in (result, reference))
    inner = np.zeros_like(mask)
    inner[3:-3, 3:-3, 3:-3] = True
    found = region_metrics(result, reference, mask)
    assert found["ssim"] == pytest.approx(float(ssim_map(x, y, 2000.0)[mask & inner].mean()), rel=1e-9)
    error = result[mask].astype(np.float64) - reference[mask]
    assert found["bias_hu"] == pytest.approx(error.mean())
    assert found["rmse_hu"] == pytest.approx(np.sqrt((error**2).mean()))
    assert found["noise_hu"] == pytest.approx(result[mask].astype(np.float64).std())
    assert found["voxels"] == mask.sum()


def test_edges_and_equality():
    result, reference = pair()
    mask = np.zeros(result.shape, bool)
    mask[0, 0, 0] = True
    found = region_metrics(reference, reference, mask)
    assert found["psnr"] == math.inf and math.isnan(found["ssim"]) and found["rmse_hu"] == 0.0
    with pytest.raises(ValueError, match="no voxel"):
        region_metrics(result, reference, np.zeros_like(mask))
    with pytest.raises(ValueError, match="differ"):
        region_metrics(result, reference[1:], mask)


def test_masks_of_segment_roi_and_label_map_agree(scene):
    import slicer
    from CTDiffusionReconLib.scene.regions import maskOf

    volume = volume_node(slices=8)
    wanted = np.zeros((8, 32, 32), bool)
    wanted[2:5, 8:20, 10:17] = True
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    labels.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix()))
    slicer.util.updateVolumeFromArray(labels, wanted.astype(np.uint8))
    assert np.array_equal(maskOf(volume, labels), wanted)

    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    turn = matrix()
    size = np.array([7, 12, 3]) * [2.0, 2.0, 3.0]
    box = np.eye(4)
    box[:3, :3] = turn[:3, :3] / np.linalg.norm(turn[:3, :3], axis=0)
    box[:3, 3] = (turn @ [13.0, 13.5, 3.0, 1.0])[:3]
    roi.SetSize(size)
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(box))
    assert np.array_equal(maskOf(volume, roi), wanted)

    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segments")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment("", "liver")
    slicer.util.updateSegmentBinaryLabelmapFromArray(wanted.astype(np.uint8), segmentation, segment, volume)
    assert np.array_equal(maskOf(volume, segmentation, "liver"), wanted)
    assert np.array_equal(maskOf(volume, segmentation), wanted)
    with pytest.raises(ValueError, match="no segment spleen"):
        maskOf(volume, segmentation, "spleen")
    with pytest.raises(ValueError, match="neither"):
        maskOf(volume, volume)
    with pytest.raises(ValueError, match="choose"):
        maskOf(volume, None)


def test_a_result_of_some_slices_is_compared_with_those(scene):
    import slicer
    from CTDiffusionReconLib.scene.regions import metricsInRegion

    reference = volume_node(slices=8)
    result = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "result")
    array = slicer.util.arrayFromVolume(reference)[2:5].astype(np.float32) + 7.0
    slicer.util.updateVolumeFromArray(result, array)
    placed = matrix()
    placed[:, 3] = matrix() @ [0, 0, 2, 1]
    result.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(placed))
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    labels.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix()))
    slicer.util.updateVolumeFromArray(labels, np.ones((8, 32, 32), np.uint8))
    found = metricsInRegion(result, labels, reference=reference)
    assert found["voxels"] == 3 * 32 * 32
    assert found["bias_hu"] == pytest.approx(7.0, abs=1e-3) and found["rmse_hu"] == pytest.approx(7.0, abs=1e-3)
    with pytest.raises(ValueError, match="no reference"):
        metricsInRegion(result, labels)
