"""The results part of the panel: numbers of a result, table of all, sinogram and residual, regions."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..scene.provenance import PREFIX
from ..scene.regions import metricsInRegion
from .jobpanel import durationText

METHOD_ATTRIBUTE, VIEWS_ATTRIBUTE = PREFIX + "Method", PREFIX + "Views"


class ResultsPanel:
    """Shows the chosen result and does what the buttons say.

    Args:
        ui: the widgets of the .ui.
        logic: the module's logic.
        arrived: called with the volume node of a job that has just been done.
    """

    def __init__(self, ui, logic, arrived) -> None:
        self.ui = ui
        self.logic = logic
        self._arrived = arrived
        self.parameters: Any = None
        self._segments: list[Any] = []
        self._seen: set[Any] = set()
        self._updating = False
        # Only volumes that were reconstructed here.
        ui.resultSelector.addAttribute("vtkMRMLScalarVolumeNode", METHOD_ATTRIBUTE)
        ui.tableButton.connect("clicked(bool)", self._onTable)
        ui.sinogramButton.connect("clicked(bool)", lambda *unused: self._onSinogram(0))
        ui.residualButton.connect("clicked(bool)", lambda *unused: self._onSinogram(1))
        ui.segmentComboBox.connect("currentIndexChanged(int)", self._onSegmentChosen)
        ui.measureButton.connect("clicked(bool)", self._onMeasure)
        ui.regionLabel.text = ""

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def followJobs(self, show: bool = True) -> None:
        """Choose the result of a job that has just been done, and show it in the slice views."""
        if self.parameters is None:
            return
        for job in self.logic.queue.jobs:
            if job.state != "done" or job in self._seen:
                continue
            self._seen.add(job)
            node = job.resultNode
            if node is None or node.GetScene() is None:
                continue
            self.parameters.resultVolume = node
            if show and not self.logic.comparison.isShown:
                # Measured projections have a frame of their own, outside of what the views show.
                slicer.util.setSliceViewerLayers(background=node, fit=job.kind == "projections")
            self._arrived(node)

    def update(self) -> None:
        """Show what the parameter node says."""
        parameters = self.parameters
        if parameters is None or self._updating:
            return
        ui = self.ui
        result = parameters.resultVolume
        text = resultText(result)
        ui.resultLabel.text = text
        ui.resultLabel.setVisible(bool(text))
        # Thin slices have neither projections nor a reference: their input has thick ones.
        reconstructed = result is not None and result.GetAttribute(VIEWS_ATTRIBUTE) is not None
        for name in ("sinogramButton", "residualButton"):
            getattr(ui, name).enabled = reconstructed
        ui.tableButton.enabled = self.logic.reconstruction.table.node() is not None
        self._showSegments()
        region = parameters.regionROI is not None or (parameters.regionSegmentation is not None and self._segments)
        ui.measureButton.enabled = reconstructed and bool(region)
        ui.regionLabel.setVisible(bool(ui.regionLabel.text))

    def _showSegments(self) -> None:
        segmentation = self.parameters.regionSegmentation
        segments = []
        if segmentation is not None:
            ids = segmentation.GetSegmentation().GetSegmentIDs()
            segments = [(i, segmentation.GetSegmentation().GetSegment(i).GetName()) for i in ids]
        box = self.ui.segmentComboBox
        self._updating = True
        try:
            if segments != self._segments:
                self._segments = segments
                box.clear()
                for _segmentID, name in segments:
                    box.addItem(name)
            ids = [i for i, _name in segments]
            if self.parameters.regionSegment in ids:
                box.currentIndex = ids.index(self.parameters.regionSegment)
            box.enabled = bool(segments)
        finally:
            self._updating = False

    def _onSegmentChosen(self, index) -> None:
        if not self._updating and self.parameters is not None and 0 <= index < len(self._segments):
            self.parameters.regionSegment = self._segments[index][0]

    def _onTable(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The table cannot be shown.")):
            showTable(self.logic.reconstruction.table.node())

    def _onSinogram(self, which) -> None:
        with slicer.util.tryWithErrorDisplay(_("The projections cannot be loaded."), waitCursor=True):
            nodes = self.logic.reconstruction.loadSinograms(self.parameters.resultVolume)
            slicer.util.setSliceViewerLayers(background=nodes[which], foreground=None, fit=True)

    def _onMeasure(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The region cannot be measured."), waitCursor=True):
            parameters = self.parameters
            if parameters.regionSegmentation is not None and self._segments:
                segment = self._segments[max(self.ui.segmentComboBox.currentIndex, 0)][0]
                text = regionText(parameters.resultVolume, parameters.regionSegmentation, segment)
            else:
                text = regionText(parameters.resultVolume, parameters.regionROI)
            self.ui.regionLabel.text = text
            self.ui.regionLabel.setVisible(True)


def resultText(node) -> str:
    """The numbers of a result, from its attributes."""
    if node is None or node.GetAttribute(METHOD_ATTRIBUTE) is None:
        return ""
    parts = []
    for name, text in (
        ("PSNR", _("PSNR {value:.2f} dB")),
        ("SSIM", _("SSIM {value:.3f}")),
        ("RMSE_HU", _("RMSE {value:.1f} HU")),
        ("Misfit", _("relative misfit {value:.4f}")),
    ):
        value = node.GetAttribute(PREFIX + name)
        if value is not None:
            parts.append(text.format(value=float(value)))
    seconds = node.GetAttribute(PREFIX + "Seconds")
    if seconds is not None:
        parts.append(durationText(float(seconds)))
    text = ", ".join(parts)
    warnings = node.GetAttribute(PREFIX + "Warnings")
    return f"{text}\n{warnings}" if warnings else text


def showTable(table) -> None:
    """Show a table node in the layout; without a main window nothing happens."""
    manager = slicer.app.layoutManager()
    if manager is None or table is None:
        return
    manager.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(manager.layout))
    application = slicer.app.applicationLogic()
    application.GetSelectionNode().SetActiveTableID(table.GetID())
    application.PropagateTableSelection()


def regionText(result, region, segment=None) -> str:
    """Quality of a result inside a segment or an ROI, as lines.

    Raises:
        ValueError: there is no reference, or the region does not touch the result.
    """
    found = metricsInRegion(result, region, segment)
    first = _("Mean {mean:.0f} HU (reference {reference:.0f} HU), standard deviation {noise:.1f} HU")
    second = _("RMSE {rmse:.1f} HU, PSNR {psnr:.2f} dB, SSIM {ssim:.3f}; {voxels} voxels")
    return "\n".join(
        (
            first.format(mean=found["mean_hu"], reference=found["reference_mean_hu"], noise=found["noise_hu"]),
            second.format(
                rmse=found["rmse_hu"], psnr=found["psnr"], ssim=found["ssim"], voxels=int(found["voxels"])
            ),
        )
    )
