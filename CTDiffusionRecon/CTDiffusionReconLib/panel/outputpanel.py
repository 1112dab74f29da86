"""The output part of the panel: the device and what it really is, and the timing of this computer."""

from typing import Any

import slicer
from ctdiffusion.jobs.spec import DEVICES
from slicer.i18n import tr as _

from ..engine import settings
from ..engine.devices import device_line


class OutputPanel:
    """Device choice, device line, and the button that times this computer.

    Args:
        ui: the widgets of the .ui.
        reconstruction: the `ReconstructionLogic`, which puts questions to the engine.
        answered: called when an answer has come.
        prior: gives the name of the prior that is timed with the computer, or None.
    """

    def __init__(self, ui, reconstruction, answered, prior) -> None:
        self.ui = ui
        self._reconstruction = reconstruction
        self._answered = answered
        self._prior = prior
        self._devices: Any = None
        self._speed: Any = None
        texts = {"auto": _("Automatic"), "cpu": _("CPU"), "cuda": _("GPU (CUDA)")}
        for name in DEVICES:
            ui.deviceComboBox.addItem(texts.get(name, name))
        chosen = settings.value(settings.DEVICE, "auto")
        ui.deviceComboBox.currentIndex = DEVICES.index(chosen) if chosen in DEVICES else 0
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        ui.timeButton.connect("clicked(bool)", self._onTime)
        ui.timeButton.setVisible(False)
        ui.deviceLabel.text = ""

    @property
    def device(self) -> str:
        """One of the engine's `DEVICES`."""
        return DEVICES[max(self.ui.deviceComboBox.currentIndex, 0)]

    @property
    def isAsking(self) -> bool:
        """Whether the engine has yet to answer."""
        return self._devices is not None or self._speed is not None

    def ask(self) -> None:
        """Ask the engine what it computes on; the answer comes with `poll`."""
        if self._devices is not None:
            return
        try:
            self._devices = self._reconstruction.askForDevices()
        except (OSError, ValueError) as error:
            self.ui.deviceLabel.text = str(error)
            return
        self.ui.deviceLabel.text = _("Asking the engine what it computes on …")

    def poll(self) -> None:
        """Show the engine's answers once they have come."""
        if self._devices is not None and self._devices.poll():
            query, self._devices = self._devices, None
            if query.answer is None:
                self.ui.deviceLabel.text = query.error
            else:
                self.ui.deviceLabel.text = device_line(query.answer)
                self._reconstruction.autoDevice = query.answer.get("auto", "cpu")
            self._answered()
        if self._speed is not None and self._speed.poll():
            query, self._speed = self._speed, None
            self.ui.timeButton.text = _("Time this computer")
            self.ui.timeButton.enabled = True
            self._answered()
            if query.answer is None:
                self.ui.estimateLabel.text = query.error

    def stop(self) -> None:
        """The panel goes; nobody waits for answers any more."""
        for query in (self._devices, self._speed):
            if query is not None:
                query.stop()
        self._devices = self._speed = None

    def _onTime(self, *unused) -> None:
        with slicer.util.tryWithErrorDisplay(_("The computer cannot be timed.")):
            self._speed = self._reconstruction.askForSpeed(self._prior())
            self.ui.timeButton.text = _("Timing …")
            self.ui.timeButton.enabled = False

    def _onDeviceChosen(self, index) -> None:
        settings.setValue(settings.DEVICE, DEVICES[max(index, 0)])
