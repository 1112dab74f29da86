"""The scan part of the panel: which rows belong to the beam, scanners with their distances, and what they lead to."""

import math

from slicer.i18n import tr as _

from .parameternode import CUSTOM, FITTED, Beam, InputKind, ViewSet
from .rows import showRow, showRows

# Numbers in the panel are rounded to so many mm; less is no change by the user.
TOLERANCE = 1e-3
DIVERGENT_ROWS = ("sourceToIsocentreSpinBox", "sourceToDetectorSpinBox")


class GeometryPanel:
    """Keeps the scan section in step with the parameter node.

    Args:
        ui: the widgets of the .ui.
        presets: scanners of the catalogue.
    """

    def __init__(self, ui, presets) -> None:
        self.ui = ui
        self.presets = {preset["name"]: preset for preset in presets}
        self.parameters = None
        self._updating = False
        self._keys = [FITTED, *self.presets, CUSTOM]
        ui.machineComboBox.addItem(_("Fitted to the volume"))
        for preset in presets:
            ui.machineComboBox.addItem(preset["title"])
        ui.machineComboBox.addItem(_("Own distances and detector"))
        ui.machineComboBox.connect("currentIndexChanged(int)", self._onMachineChosen)
        ui.anglesLineEdit.connect("editingFinished()", self._onAnglesEdited)

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def update(self, fieldDiameter=None) -> None:
        """Show what the parameter node says; `fieldDiameter` in mm is that of the chosen volume, if there is one."""
        if self.parameters is None or self._updating:
            return
        self._updating = True
        try:
            self._leavePresetThatWasEdited()
            self._showValues()
            self._showRows()
            self.ui.scanNoteLabel.text = self._note(fieldDiameter)
        finally:
            self._updating = False

    def _onMachineChosen(self, index) -> None:
        if self._updating or self.parameters is None or not 0 <= index < len(self._keys):
            return
        key = self._keys[index]
        preset = self.presets.get(key)
        parameters = self.parameters
        # Not one by one: each change would be taken for an edit of the preset.
        modified = parameters.StartModify()
        try:
            parameters.machine = key
            if preset is not None:
                for name, value in presetValues(preset).items():
                    setattr(parameters, name, value)
        finally:
            parameters.EndModify(modified)

    def _onAnglesEdited(self) -> None:
        if self.parameters is not None and self.parameters.angles != self.ui.anglesLineEdit.text:
            self.parameters.angles = self.ui.anglesLineEdit.text

    def _leavePresetThatWasEdited(self) -> None:
        parameters = self.parameters
        preset = self.presets.get(parameters.machine)
        if preset is None:
            if parameters.machine not in self._keys:
                parameters.machine = CUSTOM
            return
        wanted = presetValues(preset)
        if parameters.beam != wanted.pop("beam"):
            parameters.machine = FITTED
        elif any(abs(getattr(parameters, name) - value) > TOLERANCE for name, value in wanted.items()):
            parameters.machine = CUSTOM

    def _showValues(self) -> None:
        ui, parameters = self.ui, self.parameters
        ui.machineComboBox.currentIndex = self._keys.index(parameters.machine)
        if ui.anglesLineEdit.text != parameters.angles:
            ui.anglesLineEdit.text = parameters.angles

    def _showRows(self) -> None:
        ui, parameters = self.ui, self.parameters
        simulated = parameters.inputKind == InputKind.VOLUME
        own = parameters.machine != FITTED
        cone = parameters.beam == Beam.CONE
        ui.scanCollapsibleButton.setVisible(simulated)
        ui.noiseCollapsibleButton.setVisible(simulated)
        showRows(ui, DIVERGENT_ROWS, own and parameters.beam != Beam.PARALLEL)
        showRow(ui, "columnsWidget", own)
        showRow(ui, "rowsWidget", own and cone)
        showRow(ui, "offsetWidget", own)
        ui.rowOffsetSpinBox.setVisible(cone)
        ui.rowOffsetTimesLabel.setVisible(cone)
        views = parameters.viewSet
        showRow(ui, "viewsSpinBox", views != ViewSet.LIST)
        showRow(ui, "arcSpinBox", views == ViewSet.ARC)
        showRow(ui, "startAngleSpinBox", views != ViewSet.LIST)
        showRow(ui, "limitedSpanSpinBox", views == ViewSet.LIMITED)
        showRow(ui, "anglesLineEdit", views == ViewSet.LIST)
        noisy = parameters.noise
        for name in ("photonsSpinBox", "electronicSpinBox"):
            getattr(ui, name).enabled = noisy

    def _note(self, fieldDiameter) -> str:
        parameters = self.parameters
        if parameters.machine == FITTED:
            distances = {
                Beam.PARALLEL: _("One detector column per voxel."),
                Beam.CONE: _("1000 mm to the isocentre, 1500 mm to the detector; the detector covers the volume."),
            }
            other = _("570 mm to the isocentre, 1040 mm to the detector; the detector covers the volume.")
            return distances.get(parameters.beam, other)
        diameter = fieldOfView(parameters)
        if parameters.beam == Beam.PARALLEL:
            text = _("Field of view {diameter:.0f} mm.").format(diameter=diameter)
        else:
            magnification = parameters.sourceToDetector / parameters.sourceToIsocentre
            text = _("Field of view {diameter:.0f} mm, magnification {magnification:.2f}.").format(
                diameter=diameter, magnification=magnification
            )
        if fieldDiameter is not None and diameter < fieldDiameter:
            text += " " + _("The volume is {needed:.0f} mm wide: the scan will be truncated.").format(
                needed=fieldDiameter
            )
        return text


def presetValues(preset):
    """A scanner of the catalogue as values of the parameter node."""
    beam = Beam.CONE if preset["rows"] else Beam.FAN_CURVED if preset["curved"] else Beam.FAN
    values = {
        "beam": beam,
        "sourceToIsocentre": float(preset["source_to_isocentre"]),
        "sourceToDetector": float(preset["source_to_detector"]),
        "detectorColumns": int(preset["columns"]),
        "columnSpacing": float(preset["column_spacing"]),
        "columnOffset": 0.0,
        "rowOffset": 0.0,
    }
    if preset["rows"]:
        values |= {"detectorRows": int(preset["rows"]), "rowSpacing": float(preset["row_spacing"])}
    return values


def fieldOfView(parameters) -> float:
    """Diameter in mm of the disc that every view sees whole."""
    edge = max(0.5 * parameters.detectorColumns * parameters.columnSpacing - abs(parameters.columnOffset), 0.0)
    if parameters.beam == Beam.PARALLEL:
        return 2.0 * edge
    ratio = edge / parameters.sourceToDetector
    angle = min(ratio, 0.5 * math.pi) if parameters.beam == Beam.FAN_CURVED else math.atan(ratio)
    return 2.0 * parameters.sourceToIsocentre * math.sin(angle)
