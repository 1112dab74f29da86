"""`import ctk`: the CTK widgets that the panel uses, with the real ones' properties, signals and slots."""

from __future__ import annotations

import os

import qt
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal
from slicer_standin.ctkvalues import ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget
from slicer_standin.widgetbase import Widget, closed

__all__ = ["ctkDoubleSpinBox", "ctkRangeWidget", "ctkSliderWidget"]


@closed
class ctkCollapsibleButton(Widget):
    """A titled box that opens and closes; its layout is shown below the title."""

    toggled = Signal(bool)
    contentsCollapsed = Signal(bool)
    clicked = Signal(bool)
    _TITLE = 24

    def __init__(self, *args):
        text = args[0] if args and isinstance(args[0], str) else ""
        super().__init__(next((a for a in args if not isinstance(a, str)), None))
        self._text, self._collapsed, self._hidden = text, False, []
        self.setContentsMargins(2, self._TITLE, 2, 2)

    def paintEvent(self, event):
        painter = qt.QStylePainter(self)
        option = qt.QStyleOptionButton()
        option.initFrom(self)
        option.rect = qt.QRect(0, 0, qt.QWidget.rect.fget(self).width(), self._TITLE - 3)
        painter.drawControl(qt.QStyle.CE_PushButtonBevel, option)
        arrow = qt.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = qt.QRect(6, 6, 10, 10)
        element = qt.QStyle.PE_IndicatorArrowRight if self._collapsed else qt.QStyle.PE_IndicatorArrowDown
        painter.drawPrimitive(element, arrow)
        painter.drawText(qt.QRect(22, 0, option.rect.width() - 24, self._TITLE - 3), qt.Qt.AlignVCenter, self._text)
        painter.end()

    def mouseReleaseEvent(self, event):
        if event.position().y() < self._TITLE:
            self.setCollapsed(not self._collapsed)
            self.clicked.emit(not self._collapsed)

    def isCollapsed(self):
        return self._collapsed

    def setCollapsed(self, collapsed):
        collapsed = bool(collapsed)
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        if collapsed:
            self._hide_children()
        else:
            for child in self._hidden:
                child.show()
            self._hidden = []
        self.setMaximumHeight(self._TITLE if collapsed else 16777215)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    def showEvent(self, event):
        """Children that a .ui file adds after it has set `collapsed`."""
        super().showEvent(event)
        if self._collapsed:
            self._hide_children()

    def _hide_children(self):
        for child in QtCore.QObject.children(self):
            if isinstance(child, QtWidgets.QWidget) and not child.isHidden():
                self._hidden.append(child)
                child.hide()

    def setText(self, text):
        self._text = text
        self.update()

    def setChecked(self, checked):
        self.setCollapsed(not checked)

    text = Property(str, lambda self: self._text, setText)
    title = Property(str, lambda self: self._text, setText)
    collapsed = Property(bool, isCollapsed, setCollapsed)
    checked = Property(bool, lambda self: not self._collapsed, setChecked)
    checkable = Property(bool, lambda self: True, lambda self, value: None)
    flat = Property(bool, lambda self: False, lambda self, value: None)
    contentsFrameShape = Property(int, lambda self: 0, lambda self, value: None)
    collapsedHeight = Property(int, lambda self: 10, lambda self, value: None)


@closed
class ctkCollapsibleGroupBox(qt.QGroupBox):
    """A group box whose title opens and closes it."""

    def __init__(self, *args):
        super().__init__(*args)
        self._hidden = []
        self.setCheckable(True)
        self.toggled.connect(lambda opened: self._show(opened))

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def _show(self, opened):
        children = [c for c in QtCore.QObject.children(self) if isinstance(c, QtWidgets.QWidget)]
        if opened:
            for child in self._hidden:
                child.show()
        else:
            self._hidden = [child for child in children if not child.isHidden()]
            for child in self._hidden:
                child.hide()

    def setCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    collapsed = Property(bool, lambda self: not self.isChecked(), setCollapsed)
    collapsedHeight = Property(int, lambda self: 14, lambda self, value: None)


@closed
class ctkPathLineEdit(Widget):
    """A path with a browse button."""

    Dirs, Files, Readable, Writable, Executable = 1, 2, 0x10, 0x20, 0x40
    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit, self._button = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._button.setText("…")
        row.addWidget(self._edit, 1)
        row.addWidget(self._button)
        self._kept = {"filters": 0x1 | 0x2, "nameFilters": [], "settingKey": "", "label": ""}
        self._edit.textChanged.connect(self._typed)

    def _typed(self, text):
        self.currentPathChanged.emit(text)
        self.validInputChanged.emit(os.path.exists(text))

    def setCurrentPath(self, path):
        self._edit.setText(path)

    def addCurrentPathToHistory(self):
        pass

    def _keep(self, name, value):
        self._kept[name] = value

    def _show_button(self, visible):
        self._button.setVisible(visible)

    currentPath = Property(str, lambda self: self._edit.text(), setCurrentPath)
    filters = Property(int, lambda self: self._kept["filters"], lambda self, v: self._keep("filters", v))
    nameFilters = Property(
        "QStringList", lambda self: self._kept["nameFilters"], lambda self, v: self._keep("nameFilters", v)
    )
    settingKey = Property(str, lambda self: self._kept["settingKey"], lambda self, v: self._keep("settingKey", v))
    label = Property(str, lambda self: self._kept["label"], lambda self, v: self._keep("label", v))
    showBrowseButton = Property(bool, lambda self: self._button.isVisible(), _show_button)
    showHistoryButton = Property(bool, lambda self: False, lambda self, value: None)
    validInput = Property(bool, lambda self: os.path.exists(self._edit.text()))


@closed
class ctkDirectoryButton(qt.QPushButton):
    """A button that shows and chooses a folder."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def setDirectory(self, directory):
        if directory != getattr(self, "_directory", ""):
            self._directory = directory
            self.setText(directory)
            self.directoryChanged.emit(directory)

    directory = Property(str, lambda self: getattr(self, "_directory", ""), setDirectory)


@closed
class ctkFittedTextBrowser(qt.QTextBrowser):
    """A text browser as high as its text."""

    def setCollapsibleText(self, text):
        self.setHtml(text)


@closed
class ctkMessageBox(qt.QMessageBox):
    """A message box; tests never get as far as showing it."""

    dontShowAgainVisible = Property(bool, lambda self: False, lambda self, value: None)
    dontShowAgainSettingsKey = Property(str, lambda self: "", lambda self, value: None)
