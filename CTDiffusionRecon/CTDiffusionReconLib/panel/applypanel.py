"""Apply: whether it can be pressed, what it will cost, what is missing, and the start of a job."""

from typing import Any

from slicer.i18n import tr as _

from ..engine import settings
from ..scene.noderequest import request_of
from ..scene.parameternode import InputKind
from ..scene.projectionfiles import path_of
from .jobpanel import durationText
from .plaintext import plain_tool_tip


class ApplyPanel:
    """The Apply button and the estimate above it.

    Args:
        ui: the widgets of the .ui.
        logic: the module's logic.
        inputPanel, outputPanel, methodSection: the sections that have a say in it.
    """

    def __init__(self, ui, logic, inputPanel, outputPanel, methodSection) -> None:
        self.ui = ui
        self.logic = logic
        self.inputPanel = inputPanel
        self.outputPanel = outputPanel
        self.methodSection = methodSection
        self.parameters: Any = None
        # The job that the button cancels as it is shown, else None.
        self.shown: Any = None
        ui.deviceComboBox.connect("currentIndexChanged(int)", lambda *unused: self.update())

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def update(self) -> None:
        """Show what Apply would do now, and what it would cost."""
        why = self._whyNot()
        self._showButtons(why)
        self._showEstimate(why)

    def updateButtons(self) -> None:
        """Apply or Cancel, and why not."""
        self._showButtons(self._whyNot())

    def _showButtons(self, why) -> None:
        self.shown = showStartButtons(
            self.ui.applyButton,
            self.ui.queueButton,
            self.logic.queue.running,
            why,
            _("Apply"),
            _("Reconstruct in the background."),
        )

    def request(self):
        """What the panel asks for.

        Raises:
            ValueError: one line that says what is not right.
        """
        return request_of(self.parameters, self.outputPanel.device, self.inputPanel.slices())

    def start(self):
        """Put a job with the present settings into the queue and return it.

        Raises:
            ValueError, OSError: the input cannot be used or written.
        """
        return self.logic.start(**self._asked())

    def _asked(self):
        """What a job is started with, see `ReconstructionLogic.start`."""
        parameters = self.parameters
        measured = parameters.inputKind == InputKind.PROJECTIONS
        return {
            "source": path_of(parameters.projectionsFile) if measured else parameters.inputVolume,
            "output": parameters.outputVolume,
            "request": self.request(),
        }

    def _whyNot(self) -> str:
        if self.parameters is None:
            return _("There is no parameter node.")
        if self.methodSection.method is None:
            return _("The method {name} is not part of this version.").format(name=self.parameters.method)
        missing = self.inputPanel.missing or self.methodSection.priorError
        if missing:
            return missing
        try:
            self.logic.reconstruction.check(**self._asked())
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    def missingPackages(self):
        """Look whether the engine's Python has what it needs, else explain, ask and install.

        Returns the report of an installation that was needed and has not led there, else None.

        Raises:
            ValueError, RuntimeError: the engine's Python cannot be asked.
        """
        reconstruction = self.logic.reconstruction
        if reconstruction.dependencies().complete:
            return None
        report = reconstruction.installMissing(settings.value(settings.WHEELS_FOLDER) or None)
        return None if report.ok and not report.restart else report

    def _showEstimate(self, why) -> None:
        parameters = self.parameters
        if parameters is None or parameters.inputKind == InputKind.PROJECTIONS or why:
            self.ui.estimateLabel.text = why if parameters is not None else ""
            self.ui.timeButton.setVisible(False)
            return
        try:
            estimate = self.logic.estimate(parameters.inputVolume, request=self.request())
        except (OSError, ValueError) as error:
            self.ui.estimateLabel.text = str(error)
            return
        self.ui.estimateLabel.text = estimateText(estimate)
        self.ui.timeButton.setVisible(bool(estimate.note))


def showStartButtons(button, queueButton, running, why, text, toolTip):
    """Show a button that starts jobs, or cancels the one that runs, and the button beside it that lines up another.
    Returns the job that it cancels, or None.

    Args:
        button, queueButton: the two.
        running: the job that runs, or None.
        why: why no job can be started, or an empty text.
        text, toolTip: of the button where no job runs.
    """
    queueButton.setVisible(running is not None)
    queueButton.enabled = not why
    if running is not None:
        button.text = _("Cancel")
        stop = _("Stop {name}; nothing of it is left in the scene.").format(name=running.name)
        button.toolTip = plain_tool_tip(stop)
        button.enabled = running.stopping_since is None
        return running
    button.text = text
    button.toolTip = plain_tool_tip(why or toolTip)
    button.enabled = not why
    return None


def estimateText(estimate) -> str:
    """Time and memory as one line, with what makes them uncertain."""
    text = _("About {time} ({low} to {high}), {memory:.1f} GB of memory").format(
        time=durationText(estimate.seconds),
        low=durationText(estimate.low_s),
        high=durationText(estimate.high_s),
        memory=estimate.memory_bytes / 1e9,
    )
    if estimate.gpu_bytes:
        text += _(", {memory:.1f} GB on the GPU").format(memory=estimate.gpu_bytes / 1e9)
    note = estimate.note[:1].upper() + estimate.note[1:]
    return f"{text}. {note}.".replace("..", ".") if note else f"{text}."
