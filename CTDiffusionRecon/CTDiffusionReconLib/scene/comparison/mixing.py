"""Two volumes in one picture: alternating squares, or one half transparent over the other."""

import numpy as np
import slicer
from slicer.i18n import tr as _

from . import grids

# About eight squares across the field, whatever the pixel size.
SQUARES = 8


def checkerboard_volume(first, second, squares: int = SQUARES):
    """A new volume node on the grid of `first`: its voxels and those of `second` in alternating cubes.

    Raises:
        ValueError: one of them has no voxels.
    """
    for volume in (first, second):
        if volume is None or volume.GetImageData() is None:
            raise ValueError(_("checkerboard: a volume has no voxels"))
    values = slicer.util.arrayFromVolume(first).astype(np.float32)
    other, covered = grids.on_grid_of(second, first)
    spacing = first.GetSpacing()[::-1]
    edge = max(spacing[2] * values.shape[2], spacing[1] * values.shape[1]) / squares
    parity = sum(
        np.floor(np.arange(count) * step / edge).astype(int).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (count, step) in enumerate(zip(values.shape, spacing, strict=True))
    )
    np.copyto(values, other, where=(parity % 2 == 1) & covered)
    scene = slicer.mrmlScene
    name = _("{first} and {second}, checkerboard").format(first=first.GetName(), second=second.GetName())
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(name))
    node.CopyOrientation(first)
    node.SetAndObserveTransformNodeID(first.GetTransformNodeID())
    slicer.util.updateVolumeFromArray(node, values)
    node.SetAttribute("CTDiffusionRecon.Kind", "checkerboard")
    node.CreateDefaultDisplayNodes()
    if first.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(first.GetDisplayNode())
    return node


def blend(first, second, opacity: float = 0.5) -> None:
    """Show `second` over `first` in every slice view of the present layout."""
    slicer.util.setSliceViewerLayers(background=first, foreground=second, foregroundOpacity=opacity)
