"""Two-way binding of a parameter to a widget: the pairs that Slicer's documentation lists, and no other."""

import enum
from dataclasses import dataclass

import ctk
import qt
import slicer

from .serializers import PATHS, split
from .validators import Choice, Maximum, Minimum, WithinRange


@dataclass
class Decimals:
    """Digits after the point of a spin box."""

    value: int


@dataclass
class SingleStep:
    """Step of a spin box or slider."""

    value: float


class Connector:
    """One widget: how it is read and written and which signal tells of a change."""

    def __init__(self, widget, signal, read, write):
        self.widget, self.signal, self.read, self.write = widget, signal, read, write
        self._callback = None

    def changed(self):
        if self._callback:
            self._callback()

    def onChanged(self, callback):
        self._callback = callback
        if self.signal is None:
            return
        signal = getattr(self.widget, self.signal)
        signal.connect(self.changed) if callback else signal.disconnect(self.changed)


def _first(annotations, kind):
    return next((a for a in annotations if isinstance(a, kind)), None)


def _property(widget, signal, name):
    return Connector(widget, signal, lambda: getattr(widget, name), lambda value: setattr(widget, name, value))


def _number(widget, annotations, lowest, highest):
    for annotation, name in ((Decimals, "decimals"), (SingleStep, "singleStep")):
        found = _first(annotations, annotation)
        if found is not None:
            setattr(widget, name, found.value)
    within, low, high = (_first(annotations, kind) for kind in (WithinRange, Minimum, Maximum))
    bounded = within is not None or (low is not None and high is not None)
    if not bounded and type(widget) in (qt.QSlider, ctk.ctkSliderWidget):
        raise RuntimeError("Cannot have a connection to a slider where the type is unbounded.")
    widget.minimum = within.minimum if within else low.minimum if low else lowest
    widget.maximum = within.maximum if within else high.maximum if high else highest
    return _property(widget, "valueChanged", "value")


def _combo(widget, labels, values):
    widget.clear()
    for label in labels:
        widget.addItem(label)

    def write(value):
        if value not in values:
            raise ValueError(f"Unable to find value {value} in choices {values}")
        widget.currentIndex = values.index(value)

    return Connector(widget, "currentIndexChanged", lambda: values[widget.currentIndex], write)


def connector(widget, hint):
    """The binding for a widget and a declared type; RuntimeError where Slicer has none."""
    kind, annotations = split(hint)
    of = type(widget)
    if kind is bool and of is qt.QCheckBox:
        return _property(widget, "stateChanged", "checked")
    if kind is bool and of is qt.QPushButton:
        widget.checkable = True
        return _property(widget, "toggled", "checked")
    if kind is int and of in (qt.QSlider, qt.QSpinBox):
        return _number(widget, annotations, -(2**31), 2**31 - 1)
    if kind is float and of in (qt.QDoubleSpinBox, ctk.ctkSliderWidget, ctk.ctkDoubleSpinBox):
        return _number(widget, annotations, float("-inf"), float("inf"))
    if of is qt.QComboBox and kind in (int, float, str, bool):
        choice = _first(annotations, Choice)
        if choice is None:
            raise RuntimeError("a QComboBox for a plain value requires the Choice annotation")
        return _combo(widget, [str(c) for c in choice.choices], list(choice.choices))
    if of is qt.QComboBox and isinstance(kind, type) and issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda member: member.name)
        return _combo(widget, [label(member) for member in kind], list(kind))
    if kind is str and of is qt.QLineEdit:
        return _property(widget, "textChanged", "text")
    if kind is str and of is qt.QTextEdit:
        return Connector(widget, "textChanged", widget.toPlainText, widget.setPlainText)
    if kind is str and of is qt.QLabel:
        return Connector(widget, None, lambda: widget.text, lambda value: setattr(widget, "text", value))
    if kind in PATHS and of is ctk.ctkPathLineEdit:
        return Connector(
            widget,
            "currentPathChanged",
            lambda: kind(widget.currentPath),
            lambda v: setattr(widget, "currentPath", str(v)),
        )
    if kind in PATHS and of is ctk.ctkDirectoryButton:
        return Connector(
            widget, "directoryChanged", lambda: kind(widget.directory), lambda v: setattr(widget, "directory", str(v))
        )
    if of is slicer.qMRMLNodeComboBox and isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        widget.nodeTypes = (kind().GetClassName(),)
        return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{hint}' to widget type '{of}'")
