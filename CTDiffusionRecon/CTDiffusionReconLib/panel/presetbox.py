"""Settings that a method brings along, in a combo box: its defaults, those of its publication, or the user's own."""

from typing import Any

from slicer.i18n import tr as _


class PresetBox:
    """Keeps a combo box in step with a method's values.

    Args:
        box: the combo box.
        chosen: called with the values of the settings that the user has chosen.
    """

    def __init__(self, box, chosen) -> None:
        self._box = box
        self._chosen = chosen
        self._presets: list[Any] = []
        self._updating = False
        box.connect("currentIndexChanged(int)", self._onPresetChosen)

    def show(self, method, values) -> bool:
        """Show which settings these values are; returns whether there is anything to choose."""
        shown = {"published": _("As published"), "thorough": _("Thorough: twice the levels"), "iscs": _("As in ISCS")}
        presets: dict[str, dict[str, Any]] = {_("Tuned defaults"): {}}
        for name, preset in method.presets.items():
            presets[shown.get(name, name)] = dict(preset)
        box = self._box
        chosen = next((text for text, preset in presets.items() if preset == values), _("Own settings"))
        texts = list(presets) if chosen in presets else [*presets, chosen]
        self._updating = True
        try:
            if [box.itemText(row) for row in range(box.count)] != texts:
                box.clear()
                for text in texts:
                    box.addItem(text)
            box.currentIndex = texts.index(chosen)
        finally:
            self._updating = False
        self._presets = list(presets.values())
        return len(texts) > 1

    def _onPresetChosen(self, index) -> None:
        if not self._updating and 0 <= index < len(self._presets):
            self._chosen(dict(self._presets[index]))
