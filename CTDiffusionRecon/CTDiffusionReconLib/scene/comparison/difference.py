"""Difference of two volumes as a volume node of its own, in blue, white and red."""

import numpy as np
import slicer
from slicer.i18n import tr as _

from . import grids

COLOUR_TAG = "CTDiffusionReconDiverging"
REFERENCE_ROLE = "CTDiffusionRecon.reference"
# Differences up to this many HU get a colour; larger ones the last one.
LEAST_WINDOW = 100.0
PERCENTILE = 99.0


def difference_volume(reference, other, name=None):
    """A new volume node `other - reference` on the reference's voxels; 0 where `other` does not reach.

    Raises:
        ValueError: one of them has no voxels, or they do not overlap.
    """
    for volume in (reference, other):
        if volume is None or volume.GetImageData() is None:
            raise ValueError(_("difference: a volume has no voxels"))
    values, covered = grids.on_grid_of(other, reference)
    if not covered.any():
        raise ValueError(_("difference: {name} does not overlap the reference").format(name=other.GetName()))
    values -= slicer.util.arrayFromVolume(reference)
    values[~covered] = 0.0
    wanted = name or _("{other} minus {reference}").format(other=other.GetName(), reference=reference.GetName())
    scene = slicer.mrmlScene
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(wanted))
    node.CopyOrientation(reference)
    node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    slicer.util.updateVolumeFromArray(node, values)
    node.SetAttribute("CTDiffusionRecon.Kind", "difference")
    node.SetNodeReferenceID(REFERENCE_ROLE, reference.GetID())
    node.CreateDefaultDisplayNodes()
    show_as_difference(node, values[covered])
    return node


def show_as_difference(node, values: np.ndarray) -> None:
    """Give a volume the diverging colours, symmetric about 0 and wide enough for nearly all of its values."""
    width = max(float(np.percentile(np.abs(values), PERCENTILE)), LEAST_WINDOW)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(diverging_colours().GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(2.0 * width, 0.0)


def diverging_colours():
    """The colour table node from blue over white to red, made once in a scene."""
    scene = slicer.mrmlScene
    node = scene.GetSingletonNode(COLOUR_TAG, "vtkMRMLColorTableNode")
    if node is not None:
        return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetSingletonTag(COLOUR_TAG)
    node.SetName(_("Blue, white, red"))
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    for index in range(256):
        red, green, blue = _colour(index / 255.0)
        node.SetColor(index, f"{index}", red, green, blue, 1.0)
    return scene.AddNode(node)


def _colour(share: float) -> tuple[float, float, float]:
    """Straight lines in RGB between a blue and a red of the same lightness, with white between them."""
    ends = ((0.13, 0.29, 0.66), (1.0, 1.0, 1.0), (0.70, 0.09, 0.17))
    first, second = (ends[0], ends[1]) if share < 0.5 else (ends[1], ends[2])
    part = 2.0 * share if share < 0.5 else 2.0 * share - 1.0
    red, green, blue = (a + part * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue
