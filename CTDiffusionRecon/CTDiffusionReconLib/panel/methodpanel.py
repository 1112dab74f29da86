"""Controls for declared fields, made from their declaration; for the parameters of methods, one page a method."""

from typing import Any

import qt
from ctdiffusion.core.schema import describe
from slicer.i18n import tr as _

from ..scene.fields import is_plain
from .methodtext import decimals_for, label_of, step_for, tooltip_of

MOST = 2147483647
MOST_REAL = 1e12


class ParameterControl:
    """The control of one plain field. `label` and `widget` go into a form; `changed()` is called when it is edited."""

    def __init__(self, parameter, changed) -> None:
        self.parameter = parameter
        self.automatic: Any = None
        self.editor = self._makeEditor(changed)
        self.widget = self.editor
        if parameter.optional:
            self.widget = qt.QWidget()
            row = qt.QHBoxLayout(self.widget)
            row.setContentsMargins(0, 0, 0, 0)
            self.automatic = qt.QCheckBox(_("Automatic"))
            self.automatic.toolTip = _("Let the method choose.")
            row.addWidget(self.automatic)
            row.addWidget(self.editor, 1)
            self.automatic.connect("toggled(bool)", self._onAutomatic)
            self.automatic.connect("toggled(bool)", lambda *unused: changed())
        self.widget.toolTip = tooltip_of(parameter)
        self.editor.toolTip = tooltip_of(parameter)
        self.label = qt.QLabel(_("{parameter}:").format(parameter=label_of(parameter.name)))
        self.label.setTextFormat(qt.Qt.PlainText)
        self.label.toolTip = tooltip_of(parameter)

    def value(self):
        """What it shows, as the engine wants it: None for automatic."""
        if self.automatic is not None and self.automatic.checked:
            return None
        kind = self.parameter.kind
        if kind is bool:
            return self.editor.checked
        if self.parameter.choices:
            return self.parameter.choices[self.editor.currentIndex]
        if kind in (int, float):
            return self.editor.value
        return self.editor.text

    def setValue(self, value) -> None:
        """Show a value; None is automatic. A value that is not allowed leaves the control as it is."""
        if self.automatic is not None:
            self.automatic.checked = value is None
            self._onAutomatic()
        if value is None:
            return
        kind, choices = self.parameter.kind, self.parameter.choices
        if kind is bool:
            self.editor.checked = bool(value)
        elif choices:
            if value in choices:
                self.editor.currentIndex = list(choices).index(value)
        elif kind in (int, float):
            if isinstance(value, (int, float)):
                self.editor.value = value
        else:
            self.editor.text = str(value)

    def _onAutomatic(self, *unused) -> None:
        self.editor.enabled = not self.automatic.checked

    def _makeEditor(self, changed):
        parameter, kind = self.parameter, self.parameter.kind
        if kind is bool:
            editor = qt.QCheckBox()
            editor.connect("toggled(bool)", lambda *unused: changed())
        elif parameter.choices:
            editor = qt.QComboBox()
            for choice in parameter.choices:
                editor.addItem(str(choice))
            editor.connect("currentIndexChanged(int)", lambda *unused: changed())
        elif kind is int:
            editor = qt.QSpinBox()
            editor.keyboardTracking = False
            editor.setRange(_whole(parameter.low, -MOST), _whole(parameter.high, MOST))
            editor.suffix = _suffix(parameter)
            editor.connect("valueChanged(int)", lambda *unused: changed())
        elif kind is float:
            editor = qt.QDoubleSpinBox()
            editor.keyboardTracking = False
            editor.decimals = decimals_for(parameter)
            editor.setRange(_real(parameter.low, -MOST_REAL), _real(parameter.high, MOST_REAL))
            editor.singleStep = step_for(parameter)
            editor.suffix = _suffix(parameter)
            editor.connect("valueChanged(double)", lambda *unused: changed())
        else:
            editor = qt.QLineEdit()
            editor.connect("editingFinished()", changed)
        return editor


class MethodPanel:
    """The pages of all methods in one container; pages are made when a method is first chosen.

    Args:
        container: an empty widget.
        changed: called as changed(values) when the user has edited a parameter; values that equal the method's
            defaults are left out.
    """

    def __init__(self, container, changed) -> None:
        self._changed = changed
        self._pages: dict[str, Any] = {}
        self._current: Any = None
        self._updating = False
        self._layout = qt.QVBoxLayout(container)
        self._layout.setContentsMargins(0, 0, 0, 0)

    @property
    def controls(self):
        """The controls of the method shown, by parameter name."""
        return {} if self._current is None else self._pages[self._current][1]

    def show(self, method, values) -> None:
        """Show a method with these values; parameters that are not among them show their default."""
        name = method.name
        if name not in self._pages:
            self._pages[name] = self._makePage(method)
        if name != self._current:
            for other, (page, _controls) in self._pages.items():
                page.setVisible(other == name)
            self._current = name
        self._updating = True
        try:
            for key, control in self.controls.items():
                wanted = values.get(key, control.parameter.default)
                if control.value() != wanted:
                    control.setValue(wanted)
        finally:
            self._updating = False

    def values(self):
        """Values of the method shown that differ from their defaults."""
        now = {name: control.value() for name, control in self.controls.items()}
        return {name: v for name, v in now.items() if v != self.controls[name].parameter.default}

    def _onChanged(self) -> None:
        if not self._updating:
            self._changed(self.values())

    def _makePage(self, method):
        page = qt.QWidget()
        form = qt.QFormLayout(page)
        form.setContentsMargins(0, 0, 0, 0)
        controls = {}
        for parameter in filter(is_plain, describe(method.parameters)):
            control = ParameterControl(parameter, self._onChanged)
            form.addRow(control.label, control.widget)
            controls[parameter.name] = control
        if not controls:
            form.addRow(qt.QLabel(_("This method has no parameters.")))
        self._layout.addWidget(page)
        return page, controls


def _suffix(parameter):
    return f" {parameter.unit}" if parameter.unit else ""


def _whole(value, otherwise):
    return otherwise if value is None else max(-MOST, min(MOST, int(value)))


def _real(value, otherwise):
    return otherwise if value is None else max(-MOST_REAL, min(MOST_REAL, float(value)))
