"""The input part of the panel: volume or file, slices, and what is wrong with the choice."""

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..engine.estimate import grid_of
from ..scene.comparison.grids import ijk_to_ras
from ..scene.inputs import checkVolume, patientAxes
from ..scene.noderequest import chosen_slices
from ..scene.parameternode import InputKind, SliceChoice
from ..scene.projectionfiles import kept, path_of
from .rows import showRow, showRows


class InputPanel:
    """Keeps the input section in step with the parameter node."""

    def __init__(self, ui, loadSample) -> None:
        self.ui = ui
        self.parameters: Any = None
        self._loadSample = loadSample
        ui.sampleButton.connect("clicked(bool)", self._onSample)
        ui.projectionsPathLineEdit.connect("currentPathChanged(QString)", self._onPathChanged)

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def update(self) -> None:
        """Show what the parameter node says."""
        parameters = self.parameters
        if parameters is None:
            return
        ui = self.ui
        simulated = parameters.inputKind == InputKind.VOLUME
        volume = parameters.inputVolume
        ranged = simulated and parameters.sliceChoice == SliceChoice.RANGE
        showRows(ui, ("inputSelector", "slicesWidget", "assumeHUCheckBox"), simulated)
        showRow(ui, "sampleButton", simulated and volume is None)
        showRows(ui, ("projectionsPathLineEdit", "measuredViewsSpinBox"), not simulated)
        showRow(ui, "sliceROISelector", simulated and parameters.sliceChoice == SliceChoice.ROI)
        for name in ("firstSliceSpinBox", "lastSliceSpinBox", "sliceRangeToLabel"):
            getattr(ui, name).setVisible(ranged)
        path = path_of(parameters.projectionsFile)
        if ui.projectionsPathLineEdit.currentPath != path:
            ui.projectionsPathLineEdit.currentPath = path
        if parameters.projectionsFile != kept(path):
            parameters.projectionsFile = kept(path)
        text = volumeText(volume) if simulated else ""
        ui.inputNoteLabel.text = text
        ui.inputNoteLabel.setVisible(bool(text))

    def slices(self):
        """(start, stop) of the slices that the chosen ROI touches; None where no ROI decides.

        Raises:
            ValueError: no ROI is chosen, or it does not touch the volume.
        """
        parameters = self.parameters
        if parameters.inputKind != InputKind.VOLUME or parameters.sliceChoice != SliceChoice.ROI:
            return None
        if parameters.sliceROI is None:
            raise ValueError(_("Choose the ROI that the slices are to cover."))
        return slicesOfROI(parameters.inputVolume, parameters.sliceROI)

    @property
    def grid(self):
        """The voxels to reconstruct, as the engine sees them; None where Apply tells why there are none."""
        volume = self.parameters.inputVolume
        try:
            checkVolume(volume)
            slices = chosen_slices(self.parameters, self.slices())
        except ValueError:
            return None
        return grid_of(volume.GetImageData().GetDimensions(), volume.GetSpacing(), slices, patientAxes(volume))

    @property
    def missing(self) -> str:
        """What is still missing before Apply, or an empty text."""
        parameters = self.parameters
        if parameters.inputKind == InputKind.PROJECTIONS:
            return "" if parameters.projectionsFile else _("Choose a file of measured projections.")
        if parameters.inputVolume is None:
            return _("Choose a CT volume.")
        if parameters.inputVolume.GetImageData() is None:
            return _("The volume has no voxels.")
        return ""

    def _onPathChanged(self, path) -> None:
        if self.parameters is not None and path_of(self.parameters.projectionsFile) != path:
            self.parameters.projectionsFile = kept(path)

    def _onSample(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The sample cannot be loaded."), waitCursor=True):
            node = self._loadSample()
            if node is not None and self.parameters is not None:
                self.parameters.inputVolume = node


def volumeText(volume) -> str:
    """Size of a volume node as one line."""
    if volume is None or volume.GetImageData() is None:
        return ""
    columns, rows, slices = volume.GetImageData().GetDimensions()
    x, y, z = volume.GetSpacing()
    return _("{columns} × {rows} × {slices} voxels of {x:.2f} × {y:.2f} × {z:.2f} mm").format(
        columns=columns, rows=rows, slices=slices, x=x, y=y, z=z
    )


def slicesOfROI(volume, roi):
    """(start, stop) of the slices of a volume node that a markups ROI touches, however it is turned.

    Raises:
        ValueError: none.
    """
    corners = 0.5 * np.array(roi.GetSize()) * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    to_world = slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())
    ras = to_world @ np.column_stack([corners, np.ones(8)]).T
    k = (np.linalg.inv(ijk_to_ras(volume)) @ ras)[2]
    count = volume.GetImageData().GetDimensions()[2]
    # Slice k reaches from k - 1/2 to k + 1/2.
    start, stop = max(int(np.floor(k.min() + 0.5)), 0), min(int(np.ceil(k.max() + 0.5)), count)
    if start >= stop:
        raise ValueError(_("The ROI does not touch the volume."))
    return start, stop
