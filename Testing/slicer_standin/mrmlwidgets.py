"""The qMRML widgets that the panel uses, with the real ones' properties, signals and slots."""

from __future__ import annotations

import qt
import shiboken6
import slicer
import vtk
from PySide6.QtCore import Property

from slicer_standin.ctkvalues import ctkSliderWidget
from slicer_standin.nodeselectors import MrmlWidget, qMRMLCheckableNodeComboBox, qMRMLNodeComboBox
from slicer_standin.widgetbase import closed


@closed
class qMRMLWidget(MrmlWidget):
    """The top of a module's .ui file."""


@closed
class qSlicerWidget(MrmlWidget):
    """Another class for the top of a .ui file."""


@closed
class qMRMLSliderWidget(ctkSliderWidget):
    """ctkSliderWidget whose unit may follow the scene."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._quantity = None, ""

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        self._scene = scene

    quantity = Property(str, lambda self: self._quantity, lambda self, value: setattr(self, "_quantity", value))


@closed
class qMRMLTableView(qt.QTableView):
    """Shows a vtkMRMLTableNode."""

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def setMRMLScene(self, scene):
        self._scene = scene

    def mrmlTableNode(self):
        return getattr(self, "_node", None)

    def setMRMLTableNode(self, node):
        if getattr(self, "_node", None) is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._fill())
        self._fill()

    def _fill(self):
        if not shiboken6.isValid(self):
            return
        node = self._node
        columns = node.GetNumberOfColumns() if node else 0
        rows = node.GetNumberOfRows() if node else 0
        self._items = qt.QStandardItemModel(rows, columns)
        for column in range(columns):
            self._items.setHorizontalHeaderItem(column, qt.QStandardItem(node.GetColumnName(column)))
            for row in range(rows):
                self._items.setItem(row, column, qt.QStandardItem(node.GetCellText(row, column)))
        self.setModel(self._items)


def install():
    """Put these classes where Slicer has them."""
    for kind in (
        qMRMLWidget,
        qSlicerWidget,
        qMRMLNodeComboBox,
        qMRMLCheckableNodeComboBox,
        qMRMLSliderWidget,
        qMRMLTableView,
    ):
        setattr(slicer, kind.__name__, kind)
