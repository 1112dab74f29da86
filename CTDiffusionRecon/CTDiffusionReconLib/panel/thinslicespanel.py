"""The part of the panel that makes thin slices from thick ones: volume, method, factor, and the start of a job."""

from typing import Any

from ctdiffusion.methods.registry import SUPERRESOLUTION, methods
from ctdiffusion.operators.slice_profiles import nearly_cubic
from slicer.i18n import tr as _

from ..scene.inputs import sliceAxis
from ..scene.noderequest import AUTOMATIC, method_parameters, thin_request_of, with_parameters
from .applypanel import showStartButtons
from .methodpanel import MethodPanel
from .methodtext import explanation_html
from .presetbox import PresetBox
from .rows import showRow


class ThinSlicesPanel:
    """Keeps the section in step with the parameter node and starts its jobs.

    Args:
        ui: the widgets of the .ui.
        logic: the module's logic.
        outputPanel: the section that knows the device.
    """

    def __init__(self, ui, logic, outputPanel) -> None:
        self.ui = ui
        self.logic = logic
        self.methods = methods(SUPERRESOLUTION)
        self.parameters: Any = None
        # The job that the button cancels as it is shown, else None.
        self.shown: Any = None
        self._outputPanel = outputPanel
        self._updating = False
        self.panel = MethodPanel(ui.thinParametersWidget, self._onParametersEdited)
        self._presets = PresetBox(ui.thinPresetComboBox, self._onParametersEdited)
        for method in self.methods.values():
            ui.thinMethodComboBox.addItem(method.title)
        ui.thinMethodComboBox.connect("currentIndexChanged(int)", self._onMethodChosen)
        ui.thinExplainButton.connect("toggled(bool)", lambda *unused: self.update())

    @property
    def method(self):
        """The chosen method; None before there is one."""
        return None if self.parameters is None else self.methods.get(self.parameters.thinMethod)

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def update(self) -> None:
        """Show what the parameter node says."""
        if self._updating:
            return
        ui, method = self.ui, self.method
        self._updating = True
        try:
            ui.thinExplanationLabel.setVisible(ui.thinExplainButton.checked and method is not None)
            ui.thinParametersCollapsibleButton.setVisible(method is not None)
            if method is not None:
                ui.thinMethodComboBox.currentIndex = list(self.methods).index(method.name)
                ui.thinExplanationLabel.text = explanation_html(method)
                values = method_parameters(self.parameters.thinParameters, method.name)
                self.panel.show(method, values)
                showRow(ui, "thinPresetComboBox", self._presets.show(method, values))
        finally:
            self._updating = False
        parameters = self.parameters
        if parameters is not None:
            ui.thinNoteLabel.text = self._whyNot() or thinText(parameters.thickVolume, parameters.thinFactor)
        self.updateButtons()

    def updateButtons(self) -> None:
        """Start or Cancel, and why not."""
        self.shown = showStartButtons(
            self.ui.thinButton,
            self.ui.thinQueueButton,
            self.logic.queue.running,
            self._whyNot(),
            _("Make thin slices"),
            _("Make thin slices in the background."),
        )

    def request(self):
        """What the section asks for.

        Raises:
            ValueError: one line that says what is not right.
        """
        return thin_request_of(self.parameters, self._outputPanel.device)

    def start(self):
        """Put a job with the present settings into the queue and return it.

        Raises:
            ValueError, OSError: the volume cannot be used or written.
        """
        return self.logic.start(self.parameters.thickVolume, request=self.request())

    def _whyNot(self) -> str:
        parameters = self.parameters
        if parameters is None:
            return _("There is no parameter node.")
        if self.method is None:
            return _("The method {name} is not part of this version.").format(name=parameters.thinMethod)
        volume = parameters.thickVolume
        if volume is None:
            return _("Choose a volume with thick slices.")
        if volume.GetImageData() is None:
            return _("The volume has no voxels.")
        if volume.GetImageData().GetDimensions()[sliceAxis(volume)] < 2:
            return _("The volume has one slice; at least two are needed.")
        try:
            self.request()
        except ValueError as error:
            return str(error)
        return ""

    def _onMethodChosen(self, index) -> None:
        if not self._updating and self.parameters is not None and index >= 0:
            self.parameters.thinMethod = list(self.methods)[index]

    def _onParametersEdited(self, values) -> None:
        if self.parameters is not None and self.method is not None:
            text = self.parameters.thinParameters
            self.parameters.thinParameters = with_parameters(text, self.method.name, values)


def thinText(volume, factor) -> str:
    """What becomes of the slices of a volume node, as one line."""
    axis, spacing = sliceAxis(volume), list(volume.GetSpacing())
    count, thick = volume.GetImageData().GetDimensions()[axis], spacing.pop(axis)
    factor = nearly_cubic((*spacing, thick))[0] if factor == AUTOMATIC else factor
    return _("{count} slices of {thick:.2f} mm become {more} of {thin:.2f} mm (factor {factor}).").format(
        count=count, thick=thick, more=count * factor, thin=thick / factor, factor=factor
    )
