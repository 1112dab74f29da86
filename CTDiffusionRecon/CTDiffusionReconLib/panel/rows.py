"""Rows of the forms in the .ui: a field and its label show and hide together."""


def showRow(ui, field: str, visible: bool) -> None:
    """Show or hide a field and its label (named `<field>Label` in the .ui, if it has one)."""
    getattr(ui, field).setVisible(visible)
    label = getattr(ui, f"{field}Label", None)
    if label is not None:
        label.setVisible(visible)


def showRows(ui, fields, visible: bool) -> None:
    """The same for several."""
    for field in fields:
        showRow(ui, field, visible)
