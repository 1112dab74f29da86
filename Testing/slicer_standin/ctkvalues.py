"""CTK widgets that hold numbers: spin box, slider, range."""

from __future__ import annotations

import math

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_standin.widgetbase import Widget, closed


class _Number(Widget):
    """What the slider and spin box widgets share: a value in a range with decimals, prefix and suffix."""

    valueChanged = Signal(float)
    _spin_only = True

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, 1000)
        self._spin = QtWidgets.QDoubleSpinBox()
        if not self._spin_only:
            row.addWidget(self._slider, 1)
        row.addWidget(self._spin, 1 if self._spin_only else 0)
        self._spin.valueChanged.connect(self._changed)
        self._slider.sliderMoved.connect(self._moved)

    def _span(self):
        low, high = self._spin.minimum(), self._spin.maximum()
        return low, (high - low) if math.isfinite(high - low) and high > low else 1.0

    def _changed(self, value):
        low, span = self._span()
        self._slider.setValue(round(1000 * (value - low) / span))
        self.valueChanged.emit(value)

    def _moved(self, place):
        low, span = self._span()
        self._spin.setValue(low + span * place / 1000)

    def setValue(self, value):
        self._spin.setValue(value)

    def setRange(self, low, high):
        self._spin.setRange(low, high)
        self._changed_quietly()

    def _changed_quietly(self):
        low, span = self._span()
        self._slider.setValue(round(1000 * (self._spin.value() - low) / span))

    def setMinimum(self, low):
        self.setRange(low, max(low, self._spin.maximum()))

    def setMaximum(self, high):
        self.setRange(min(high, self._spin.minimum()), high)

    value = Property(float, lambda self: self._spin.value(), setValue)
    minimum = Property(float, lambda self: self._spin.minimum(), setMinimum)
    maximum = Property(float, lambda self: self._spin.maximum(), setMaximum)
    singleStep = Property(float, lambda self: self._spin.singleStep(), lambda self, v: self._spin.setSingleStep(v))
    decimals = Property(int, lambda self: self._spin.decimals(), lambda self, v: self._spin.setDecimals(v))
    prefix = Property(str, lambda self: self._spin.prefix(), lambda self, v: self._spin.setPrefix(v))
    suffix = Property(str, lambda self: self._spin.suffix(), lambda self, v: self._spin.setSuffix(v))


@closed
class ctkSliderWidget(_Number):
    """A slider with a spin box."""

    _spin_only = False
    valueIsChanging = Signal(float)
    tracking = Property(bool, lambda self: True, lambda self, value: None)
    pageStep = Property(float, lambda self: 1.0, lambda self, value: None)
    tickInterval = Property(float, lambda self: 0.0, lambda self, value: None)
    spinBoxVisible = Property(bool, lambda self: True, lambda self, value: None)


@closed
class ctkDoubleSpinBox(_Number):
    """A spin box of doubles."""


@closed
class ctkRangeWidget(Widget):
    """Two values, lower and upper, inside a range."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        self._bar = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._bar.setEnabled(False)
        self._quiet = False
        for part, stretch in ((self._low, 0), (self._bar, 1), (self._high, 0)):
            row.addWidget(part, stretch)
        self.setRange(0.0, 99.0)
        self.setValues(0.0, 99.0)
        self._low.valueChanged.connect(lambda value: self._edited(True))
        self._high.valueChanged.connect(lambda value: self._edited(False))

    def _edited(self, lower):
        if self._quiet:
            return
        low, high = self._low.value(), self._high.value()
        self._announce(min(low, high) if not lower else low, max(low, high) if lower else high)

    def _announce(self, low, high):
        self._quiet = True
        self._low.setValue(low)
        self._high.setValue(max(low, high))
        self._quiet = False
        self.minimumValueChanged.emit(self._low.value())
        self.maximumValueChanged.emit(self._high.value())
        self.valuesChanged.emit(self._low.value(), self._high.value())

    def setValues(self, low, high):
        if (low, high) != (self._low.value(), self._high.value()):
            self._announce(low, high)

    def setRange(self, low, high):
        self._quiet = True
        self._low.setRange(low, high)
        self._high.setRange(low, high)
        self._quiet = False
        self.rangeChanged.emit(low, high)

    def setMinimum(self, low):
        self.setRange(low, self._high.maximum())

    def setMaximum(self, high):
        self.setRange(self._low.minimum(), high)

    def setMinimumValue(self, low):
        self.setValues(low, self._high.value())

    def setMaximumValue(self, high):
        self.setValues(self._low.value(), high)

    def _both(self, what, value):
        getattr(self._low, what)(value)
        getattr(self._high, what)(value)

    minimum = Property(float, lambda self: self._low.minimum(), setMinimum)
    maximum = Property(float, lambda self: self._high.maximum(), setMaximum)
    minimumValue = Property(float, lambda self: self._low.value(), setMinimumValue)
    maximumValue = Property(float, lambda self: self._high.value(), setMaximumValue)
    singleStep = Property(float, lambda self: self._low.singleStep(), lambda self, v: self._both("setSingleStep", v))
    decimals = Property(int, lambda self: self._low.decimals(), lambda self, v: self._both("setDecimals", v))
    suffix = Property(str, lambda self: self._low.suffix(), lambda self, v: self._both("setSuffix", v))
    prefix = Property(str, lambda self: self._low.prefix(), lambda self, v: self._both("setPrefix", v))
