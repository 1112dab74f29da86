"""The scan part of the panel: which rows belong to the beam, scanners with their distances, and what they lead to."""

from typing import Any

from ctdiffusion.scan.machines import MACHINES
from slicer.i18n import tr as _

from ..engine.estimate import geometry_of
from ..scene.noderequest import CUSTOM, FITTED, scan_request_of
from ..scene.parameternode import Beam, InputKind, ViewSet
from .rows import showRow, showRows

# Numbers in the panel are rounded to so many mm; less is no change by the user.
TOLERANCE = 1e-3
DIVERGENT_ROWS = ("sourceToIsocentreSpinBox", "sourceToDetectorSpinBox")


class GeometryPanel:
    """Keeps the scan section in step with the parameter node.

    Args:
        ui: the widgets of the .ui.
    """

    def __init__(self, ui) -> None:
        self.ui = ui
        self.machines = MACHINES
        self.parameters: Any = None
        self._updating = False
        self._keys = [FITTED, *self.machines, CUSTOM]
        ui.machineComboBox.addItem(_("Fitted to the volume"))
        for machine in self.machines.values():
            ui.machineComboBox.addItem(machine.title)
        ui.machineComboBox.addItem(_("Own distances and detector"))
        ui.machineComboBox.connect("currentIndexChanged(int)", self._onMachineChosen)
        ui.anglesLineEdit.connect("editingFinished()", self._onAnglesEdited)

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def update(self, grid=None) -> None:
        """Show what the parameter node says; `grid` are the voxels to reconstruct, if there are any."""
        if self.parameters is None or self._updating:
            return
        self._updating = True
        try:
            self._leavePresetThatWasEdited()
            self._showValues()
            self._showRows()
            self.ui.scanNoteLabel.text = self._note(grid)
        finally:
            self._updating = False

    def _onMachineChosen(self, index) -> None:
        if self._updating or self.parameters is None or not 0 <= index < len(self._keys):
            return
        key = self._keys[index]
        machine = self.machines.get(key)
        parameters = self.parameters
        # Not one by one: each change would be taken for an edit of the machine.
        modified = parameters.StartModify()
        try:
            parameters.machine = key
            if machine is not None:
                for name, value in machineValues(machine).items():
                    setattr(parameters, name, value)
        finally:
            parameters.EndModify(modified)

    def _onAnglesEdited(self) -> None:
        if self.parameters is not None and self.parameters.angles != self.ui.anglesLineEdit.text:
            self.parameters.angles = self.ui.anglesLineEdit.text

    def _leavePresetThatWasEdited(self) -> None:
        parameters = self.parameters
        machine = self.machines.get(parameters.machine)
        if machine is None:
            if parameters.machine not in self._keys:
                parameters.machine = CUSTOM
            return
        wanted = machineValues(machine)
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

    def _note(self, grid) -> str:
        fitted = self.parameters.machine == FITTED
        if fitted and grid is None:
            return _("The detector will be fitted to the volume.")
        try:
            geometry = geometry_of(scan_request_of(self.parameters), grid)
            warnings = [] if grid is None else geometry.check(grid)
        except ValueError as error:
            return str(error)
        text = fittedText(geometry) if fitted else ownText(geometry)
        return " ".join([text, *(f"{warning[:1].upper()}{warning[1:]}." for warning in warnings)])


def fittedText(geometry) -> str:
    """What the engine makes of a volume: the distances, which grow with it."""
    if geometry.kind == "parallel":
        return _("One detector column per voxel.")
    text = _("{isocentre:g} mm to the isocentre, {detector:g} mm to the detector; the detector covers the volume.")
    isocentre, detector = round(geometry.source_to_isocentre, 1), round(geometry.source_to_detector, 1)
    return text.format(isocentre=isocentre, detector=detector)


def ownText(geometry) -> str:
    """What a detector of one's own sees, the opposite views of a shifted one together."""
    diameter = 2.0 * max(geometry.seen_radius, 0.0)
    if geometry.kind == "parallel":
        return _("Field of view {diameter:.0f} mm.").format(diameter=diameter)
    return _("Field of view {diameter:.0f} mm, magnification {magnification:.2f}.").format(
        diameter=diameter, magnification=geometry.source_to_detector / geometry.source_to_isocentre
    )


def machineValues(machine):
    """A machine of the engine's list as values of the parameter node."""
    beam = Beam.CONE if machine.rows else Beam.FAN_CURVED if machine.curved else Beam.FAN
    values = {
        "beam": beam,
        "sourceToIsocentre": float(machine.source_to_isocentre),
        "sourceToDetector": float(machine.source_to_detector),
        "detectorColumns": int(machine.columns),
        "columnSpacing": float(machine.column_spacing),
        "columnOffset": 0.0,
        "rowOffset": 0.0,
    }
    if machine.rows:
        values |= {"detectorRows": int(machine.rows), "rowSpacing": float(machine.row_spacing)}
    return values
