"""Advanced: a control for every plain field that no other part of the panel shows, made from its declaration."""

from typing import Any

import qt

from ..scene.parameternode import InputKind
from .methodpanel import ParameterControl

# Fields of the simulated measurement, of which there is none where projections were measured.
_OF_SIMULATION = "simulation."


class FieldsPanel:
    """A form in a container of the .ui, in step with the parameter node.

    Args:
        ui: the widgets of the .ui.
        name: the container is `<name>Widget` in the section `<name>CollapsibleButton`.
        fields: the fields of a task; those whose parameter is bound to a widget of the .ui are left out.
    """

    def __init__(self, ui, name, fields) -> None:
        bound = {widget.property("SlicerParameterName") for widget in vars(ui).values()}
        self.parameters: Any = None
        self.fields = {field.name: field for field in fields if field.name not in bound}
        self.controls: dict[str, Any] = {}
        self._section = getattr(ui, f"{name}CollapsibleButton")
        self._updating = False
        form = qt.QFormLayout(getattr(ui, f"{name}Widget"))
        form.setContentsMargins(0, 0, 0, 0)
        for field in self.fields.values():
            control = ParameterControl(field.info, lambda field=field: self._onEdited(field))
            form.addRow(control.label, control.widget)
            self.controls[field.name] = control

    def setParameters(self, parameters) -> None:
        """Follow this parameter node, or none."""
        self.parameters = parameters
        self.update()

    def update(self) -> None:
        """Show what the parameter node says."""
        if self.parameters is None or self._updating:
            return
        measured = self.parameters.inputKind == InputKind.PROJECTIONS
        self._updating = True
        try:
            for name, control in self.controls.items():
                field = self.fields[name]
                value = field.to_field(getattr(self.parameters, name))
                if control.value() != value:
                    control.setValue(value)
                shown = not (measured and field.path.startswith(_OF_SIMULATION))
                control.label.setVisible(shown)
                control.widget.setVisible(shown)
            self._section.setVisible(bool(self.controls))
        finally:
            self._updating = False

    def _onEdited(self, field) -> None:
        if self.parameters is not None and not self._updating:
            setattr(self.parameters, field.name, field.to_node(self.controls[field.name].value()))
