"""The output part of the panel: the device, and what it really is."""

from slicer.i18n import tr as _

from . import settings
from .devices import device_line

DEVICES = ("auto", "cpu", "cuda")


class OutputPanel:
    """Device choice and device line.

    Args:
        ui: the widgets of the .ui.
        ask: starts a query for the engine's devices and returns it.
        answered: called with the engine's answer.
    """

    def __init__(self, ui, ask, answered) -> None:
        self.ui = ui
        self._ask = ask
        self._answered = answered
        self._query = None
        for text in (_("Automatic"), _("CPU"), _("GPU (CUDA)")):
            ui.deviceComboBox.addItem(text)
        chosen = settings.value(settings.DEVICE, "auto")
        ui.deviceComboBox.currentIndex = DEVICES.index(chosen) if chosen in DEVICES else 0
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        ui.deviceLabel.text = ""

    @property
    def device(self) -> str:
        """auto, cpu or cuda."""
        return DEVICES[max(self.ui.deviceComboBox.currentIndex, 0)]

    @property
    def isAsking(self) -> bool:
        """Whether the engine has yet to answer."""
        return self._query is not None and not self._query.finished

    def ask(self) -> None:
        """Ask the engine what it computes on; the answer comes with `poll`."""
        if self.isAsking:
            return
        try:
            self._query = self._ask()
        except (OSError, ValueError) as error:
            self._query = None
            self.ui.deviceLabel.text = str(error)
            return
        self.ui.deviceLabel.text = _("Asking the engine what it computes on …")

    def poll(self) -> None:
        """Show the engine's answer once it has come."""
        if self._query is None or not self._query.poll():
            return
        query, self._query = self._query, None
        if query.answer is None:
            self.ui.deviceLabel.text = query.error
            return
        self.ui.deviceLabel.text = device_line(query.answer)
        self._answered(query.answer)

    def stop(self) -> None:
        """The panel goes; nobody waits for the answer any more."""
        if self._query is not None:
            self._query.stop()
            self._query = None

    def _onDeviceChosen(self, index) -> None:
        settings.setValue(settings.DEVICE, DEVICES[max(index, 0)])
