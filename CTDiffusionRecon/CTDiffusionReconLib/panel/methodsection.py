"""The method part of the panel: which method, what it is, its prior and its parameters."""

from pathlib import Path
from typing import Any

import qt
import slicer
from ctdiffusion.methods.registry import RECONSTRUCTION, methods
from ctdiffusion.priors.kind_names import IMAGE, RESTORATION, SINOGRAM, kind_from
from slicer.i18n import tr as _

from ..engine import settings
from ..engine.priors import find_priors
from ..scene.noderequest import method_parameters, with_parameters
from .methodpanel import MethodPanel
from .methodtext import explanation_html
from .presetbox import PresetBox
from .rows import showRow


class MethodSection:
    """Keeps the method section in step with the parameter node.

    Args:
        ui: the widgets of the .ui.
        engine: gives the engine, which knows where priors lie.
    """

    def __init__(self, ui, engine) -> None:
        self.ui = ui
        self.methods = methods(RECONSTRUCTION)
        self.parameters: Any = None
        self._engine = engine
        self._packs: list[Any] = []
        self._priorNames: list[Any] = []
        self._updating = False
        self.panel = MethodPanel(ui.parametersWidget, self._onParametersEdited)
        self._presets = PresetBox(ui.presetComboBox, self._onParametersEdited)
        for method in self.methods.values():
            ui.methodComboBox.addItem(method.title)
        ui.methodComboBox.connect("currentIndexChanged(int)", self._onMethodChosen)
        ui.priorComboBox.connect("currentIndexChanged(int)", self._onPriorChosen)
        ui.explainButton.connect("toggled(bool)", lambda *unused: self.update())
        ui.defaultsButton.connect("clicked(bool)", self._onDefaults)
        ui.priorFolderButton.connect("clicked(bool)", self._onPriorFolder)
        self.refreshPriors()

    @property
    def method(self):
        """The chosen method; None before there is one."""
        return None if self.parameters is None else self.methods.get(self.parameters.method)

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def refreshPriors(self) -> None:
        """Look again which prior packs there are."""
        try:
            self._packs = find_priors(self._engine())
        except (OSError, ValueError) as error:
            self._packs = []
            self.ui.priorNoteLabel.text = str(error)
        self._priorNames = []
        self.update()

    @property
    def priors(self):
        """The packs of the kind that the chosen method needs, damaged ones included, by name."""
        method = self.method
        if method is None or not method.needs_prior:
            return {}
        kind = method.prior_kind
        # Priors of other modalities serve other methods.
        packs = [p for p in self._packs if p.get("modality", "CT") == "CT"]
        return {p["name"]: p for p in packs if p["error"] is not None or _kindOf(p) == kind}

    def update(self) -> None:
        """Show what the parameter node says."""
        method = self.method
        if self.parameters is None or self._updating:
            return
        ui = self.ui
        self._updating = True
        try:
            explained = ui.explainButton.checked and method is not None
            ui.methodExplanationLabel.setVisible(explained)
            for name in ("priorWidget", "priorNoteLabel"):
                showRow(ui, name, method is not None and method.needs_prior)
            ui.parametersCollapsibleButton.setVisible(method is not None)
            if method is None:
                return
            ui.methodComboBox.currentIndex = list(self.methods).index(method.name)
            ui.methodExplanationLabel.text = explanation_html(method)
            values = method_parameters(self.parameters.methodParameters, method.name)
            self.panel.show(method, values)
            showRow(ui, "presetComboBox", self._presets.show(method, values))
            self._showPrior()
        finally:
            self._updating = False

    @property
    def priorName(self):
        """The prior that a job would use, or None where the method needs none."""
        method = self.method
        if method is None or not method.needs_prior:
            return None
        return self.parameters.prior or method.default_prior

    @property
    def priorError(self) -> str:
        """Why the chosen prior cannot be used, or an empty text."""
        method = self.method
        if method is None or not method.needs_prior:
            return ""
        known, chosen = self.priors, self.parameters.prior
        if chosen in known:
            return known[chosen]["error"] or ""
        if any(pack["name"] == chosen for pack in self._packs):
            return _("The prior {name} is not of the kind that {method} needs: {kind}, for CT.").format(
                name=chosen, method=method.title, kind=kindText(method.prior_kind)
            )
        if chosen:
            return "" if Path(chosen).is_dir() else _("The prior {name} is not on this computer.").format(name=chosen)
        if all(prior["error"] is not None for prior in known.values()):
            return _("{method} needs a prior ({kind}), and none is installed.").format(
                method=method.title, kind=kindText(method.prior_kind)
            )
        return ""

    def _showPrior(self) -> None:
        known, chosen, box = self.priors, self.parameters.prior, self.ui.priorComboBox
        names = ["", *known] if chosen in known or not chosen else ["", *known, chosen]
        if names != self._priorNames:
            self._priorNames = names
            box.clear()
            box.addItem(_("Default of the method"))
            for name in names[1:]:
                damaged = name in known and known[name]["error"] is not None
                box.addItem(_("{name} (damaged)").format(name=name) if damaged else name)
        box.currentIndex = names.index(chosen)
        note = self.priorError or (priorText(known[chosen]) if chosen in known else "")
        self.ui.priorNoteLabel.text = note
        self.ui.priorNoteLabel.setVisible(bool(note))

    def _onMethodChosen(self, index) -> None:
        if self._updating or self.parameters is None or index < 0:
            return
        parameters = self.parameters
        modified = parameters.StartModify()
        try:
            parameters.method = list(self.methods)[index]
            # A pack of another kind would only be refused.
            if parameters.prior and any(pack["name"] == parameters.prior for pack in self._packs):
                parameters.prior = parameters.prior if parameters.prior in self.priors else ""
        finally:
            parameters.EndModify(modified)

    def _onPriorChosen(self, index) -> None:
        if not self._updating and self.parameters is not None and 0 <= index < len(self._priorNames):
            self.parameters.prior = self._priorNames[index]

    def _onParametersEdited(self, values) -> None:
        if self.parameters is None or self.method is None:
            return
        text = self.parameters.methodParameters
        self.parameters.methodParameters = with_parameters(text, self.method.name, values)

    def _onDefaults(self, *unused) -> None:
        self._onParametersEdited({})

    def _onPriorFolder(self, *unused) -> None:
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of prior packs"))
        if folder:
            # A pack itself was meant as well as the folder around it.
            path = Path(folder)
            settings.addPriorFolder(str(path.parent if (path / "prior.json").is_file() else path))
            self.refreshPriors()


def _kindOf(pack) -> str:
    return kind_from(pack.get("parametrisation"), pack.get("domain"))


def kindText(kind: str) -> str:
    """A kind of priors in the user's language."""
    return {
        IMAGE: _("a denoiser of images"),
        RESTORATION: _("a restoration network"),
        SINOGRAM: _("a denoiser of sinograms"),
    }.get(kind, kind)


def priorText(prior) -> str:
    """What a prior was trained for, in one line."""
    parts = []
    if isinstance(prior.get("body_parts"), list) and prior["body_parts"]:
        parts.append(_("Trained on: {parts}").format(parts=", ".join(map(str, prior["body_parts"]))))
    spacing = prior.get("spacing_range")
    if isinstance(spacing, list) and len(spacing) == 2:
        parts.append(_("pixels of {low:g} to {high:g} mm").format(low=spacing[0], high=spacing[1]))
    return ("; ".join(parts) + ".") if parts else ""
