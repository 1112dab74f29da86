"""The compare part of the panel: which volumes, side by side, difference, mixtures, line profile."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..scene.comparison import difference, mixing, profile
from ..scene.comparison.layout import COLUMNS

# Volumes with one of these were made for looking at and are no candidates.
NO_CANDIDATES = ("CTDiffusionRecon.Kind", "CTDiffusionRecon.Sinogram")
METHOD_ATTRIBUTE = "CTDiffusionRecon.Method"


class ComparePanel:
    """Keeps the list of volumes and does what its buttons say.

    Args:
        ui: the widgets of the .ui.
        comparison: the `Comparison` on screen.
    """

    def __init__(self, ui, comparison) -> None:
        self.ui = ui
        self.comparison = comparison
        self.parameters: Any = None
        self._ids: list[str] = []
        ui.compareButton.connect("clicked(bool)", self._onCompare)
        ui.differenceButton.connect("clicked(bool)", self._onDifference)
        ui.checkerboardButton.connect("clicked(bool)", self._onCheckerboard)
        ui.blendButton.connect("clicked(bool)", self._onBlend)
        ui.profileButton.connect("clicked(bool)", self._onProfile)
        ui.backButton.connect("clicked(bool)", self._onBack)
        ui.compareListWidget.connect("itemChanged(QListWidgetItem*)", lambda *unused: self.update())
        ui.compareCollapsibleButton.connect("contentsCollapsed(bool)", lambda *unused: self.refresh())

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.refresh()

    def refresh(self) -> None:
        """List the volumes of the scene, the input first; what was checked stays checked."""
        widget = self.ui.compareListWidget
        before = dict(zip(self._ids, self._states(), strict=False))
        nodes = self._candidates()
        self._ids = [node.GetID() for node in nodes]
        blocked = widget.blockSignals(True)
        try:
            widget.clear()
            for node in nodes:
                item = qt.QListWidgetItem(node.GetName())
                item.setFlags(item.flags() | qt.Qt.ItemIsUserCheckable)
                checked = before.get(node.GetID(), self._checkedAtFirst(node))
                item.setCheckState(qt.Qt.Checked if checked else qt.Qt.Unchecked)
                widget.addItem(item)
        finally:
            widget.blockSignals(blocked)
        self.update()

    def add(self, volume) -> None:
        """A result has come: check it too, as long as there is a column left."""
        self.refresh()
        chosen = self.volumes()
        if volume not in chosen and len(chosen) < COLUMNS[-1]:
            self.check([*chosen, volume])

    def update(self) -> None:
        """Allow what the checked volumes make possible."""
        count = len(self.volumes())
        parameters = self.parameters
        rows = parameters is not None and bool(self._rows())
        self.ui.compareButton.enabled = count in COLUMNS and rows
        self.ui.profileButton.enabled = count in COLUMNS and rows
        self.ui.differenceButton.enabled = count >= 2
        self.ui.checkerboardButton.enabled = count >= 2
        self.ui.blendButton.enabled = count >= 2
        self.ui.backButton.enabled = self.comparison.isShown

    def volumes(self):
        """The checked volume nodes, in the order of the list."""
        nodes = [slicer.mrmlScene.GetNodeByID(i) for i, on in zip(self._ids, self._states(), strict=False) if on]
        return [node for node in nodes if node is not None]

    def check(self, volumes) -> None:
        """Check exactly these volume nodes."""
        wanted = {volume.GetID() for volume in volumes}
        for row, node_id in enumerate(self._ids):
            state = qt.Qt.Checked if node_id in wanted else qt.Qt.Unchecked
            self.ui.compareListWidget.item(row).setCheckState(state)
        self.update()

    def _states(self):
        widget = self.ui.compareListWidget
        return [widget.item(row).checkState() == qt.Qt.Checked for row in range(widget.count)]

    def _candidates(self):
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        nodes = [
            node
            for node in nodes
            if not node.GetHideFromEditors()
            and not node.IsA("vtkMRMLLabelMapVolumeNode")
            and not any(node.GetAttribute(name) for name in NO_CANDIDATES)
        ]
        reference = None if self.parameters is None else self.parameters.inputVolume
        return sorted(nodes, key=lambda node: node is not reference)

    def _checkedAtFirst(self, node) -> bool:
        reference = None if self.parameters is None else self.parameters.inputVolume
        if node is reference:
            return True
        return bool(node.GetAttribute(METHOD_ATTRIBUTE)) and sum(self._states()) < COLUMNS[-1]

    def _rows(self):
        parameters = self.parameters
        chosen = {
            "Axial": parameters.compareAxial,
            "Coronal": parameters.compareCoronal,
            "Sagittal": parameters.compareSagittal,
        }
        return tuple(name for name, on in chosen.items() if on)

    def _onCompare(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The volumes cannot be compared.")):
            self.comparison.show(self.volumes(), self._rows())
        self.update()

    def _onProfile(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The profile cannot be plotted.")):
            volumes = self.volumes()
            if self.parameters.profileLine is None:
                self.parameters.profileLine = profile.line_across(volumes)
            self.comparison.show(volumes, self._rows(), self.parameters.profileLine)
        self.update()

    def _onDifference(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The difference cannot be made."), waitCursor=True):
            reference, *others = self.volumes()
            made = [difference.difference_volume(reference, other) for other in others]
            slicer.util.setSliceViewerLayers(background=made[0], foreground=None)

    def _onCheckerboard(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The checkerboard cannot be made."), waitCursor=True):
            node = mixing.checkerboard_volume(*self.volumes()[:2])
            slicer.util.setSliceViewerLayers(background=node, foreground=None)

    def _onBlend(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The volumes cannot be blended.")):
            mixing.blend(*self.volumes()[:2])

    def _onBack(self, *unused) -> None:
        self.comparison.close()
        self.update()
