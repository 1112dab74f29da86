"""Slice, 3-D, plot and table views. Slice views show what the real slice logic blends; 3-D is left out."""

from __future__ import annotations

import qt
import shiboken6
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property
from vtk.util.numpy_support import vtk_to_numpy

from slicer_standin.mrmlwidgets import qMRMLTableView
from slicer_standin.plotting import draw_chart
from slicer_standin.widgetbase import closed


class _View(qt.QWidget):
    """A view with a title bar."""

    def __init__(self, node, application_logic):
        super().__init__()
        self._node, self._application_logic, self._color = None, application_logic, "#777777"
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._bar = QtWidgets.QLabel()
        self._bar.setFixedHeight(18)
        column.addWidget(self._bar)
        self._column = column

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def attach(self, node):
        self._node = node

    def apply_property(self, name, value):
        """What the layout logic leaves to the widget: colour and label of the title bar."""
        if name == "viewcolor":
            self._color = value
        elif name == "viewlabel" and not self._node.GetLayoutLabel():
            self._node.SetLayoutLabel(value)
        self._bar.setStyleSheet(f"background: {self._color}; color: black; padding-left: 6px;")
        self._bar.setText(self._node.GetLayoutLabel() or self._node.GetLayoutName())


@closed
class SliceController(qt.QWidget):
    """qMRMLSliceControllerWidget: what of it scripts call."""

    def __init__(self, owner):
        super().__init__()
        self._owner = owner

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def fitSliceToBackground(self):
        self._owner.sliceLogic().FitSliceToBackground()

    def sliceOffsetSlider(self):
        return self._owner._offset

    def setSliceLink(self, linked):
        self._owner.mrmlSliceCompositeNode().SetLinkedControl(int(linked))

    def mrmlSliceNode(self):
        return self._owner.mrmlSliceNode()


@closed
class SliceView(qt.QWidget):
    """qMRMLSliceView: the picture with its corner texts."""

    def __init__(self, owner):
        super().__init__()
        self._owner, self._corner, self._image = owner, vtk.vtkCornerAnnotation(), None
        # Never rendered (that would need OpenGL): it holds the annotations that scripts add.
        self._window, self._renderer = vtk.vtkGenericOpenGLRenderWindow(), vtk.vtkRenderer()
        self._window.AddRenderer(self._renderer)
        self.setMinimumSize(40, 40)
        sizing = QtWidgets.QSizePolicy.Policy.Expanding
        self.setSizePolicy(sizing, sizing)

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def cornerAnnotation(self):
        return self._corner

    def renderWindow(self):
        return self._window

    def scheduleRender(self):
        self.update()

    def forceRender(self):
        self._owner.redraw()

    def mrmlSliceNode(self):
        return self._owner.mrmlSliceNode()

    def resizeEvent(self, event):
        self._owner.resized(event.size().width(), event.size().height())

    def show_image(self, image):
        self._image = image
        self.update()

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        area = QtWidgets.QWidget.rect(self)
        painter.fillRect(area, QtGui.QColor("black"))
        if self._image is not None:
            painter.drawImage(0, 0, self._image)
        inner = area.adjusted(6, 4, -6, -4)
        flag = QtCore.Qt.AlignmentFlag
        corners = (flag.AlignBottom | flag.AlignLeft, flag.AlignBottom | flag.AlignRight)
        corners += (flag.AlignTop | flag.AlignLeft, flag.AlignTop | flag.AlignRight)
        added = [prop for prop in self._renderer.GetViewProps() if isinstance(prop, vtk.vtkCornerAnnotation)]
        for annotation in (self._corner, *added):
            painter.setPen(QtGui.QColor.fromRgbF(*annotation.GetTextProperty().GetColor()))
            for index, place in enumerate(corners):
                painter.drawText(inner, place, annotation.GetText(index) or "")
        painter.end()


@closed
class SliceWidget(_View):
    """qMRMLSliceWidget."""

    def __init__(self, node, application_logic):
        super().__init__(node, application_logic)
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(node.GetScene())
        self._view, self._controller = SliceView(self), SliceController(self)
        self._offset = slicer.qMRMLSliderWidget()
        self._column.addWidget(self._view, 1)
        self._pending = False
        application_logic.GetSliceLogics().AddItem(self._logic)
        self._logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, name: self._later())
        self._offset.valueChanged.connect(self._scrolled)
        self._following = False

    def attach(self, node):
        if node is self._node:
            return
        super().attach(node)
        self._logic.SetSliceNode(node)
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, name: self._later())
        size = self._view.size
        self.resized(size.width(), size.height())

    # the real class's methods ---------------------------------------------------------------------------------------
    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def sliceView(self):
        return self._view

    def sliceController(self):
        return self._controller

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()

    sliceViewName = Property(str, lambda self: self._node.GetLayoutName())

    # drawing --------------------------------------------------------------------------------------------------------
    def resized(self, width, height):
        if width > 1 and height > 1 and self._logic.GetSliceNode() is not None:
            self._logic.ResizeSliceNode(width, height)

    def _scrolled(self, offset):
        if not self._following:
            self._logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
            self._logic.SetSliceOffset(offset)
            self._logic.EndSliceNodeInteraction()

    def _later(self):
        if shiboken6.isValid(self) and not self._pending:
            self._pending = True
            QtCore.QTimer.singleShot(0, self, self.redraw)

    def redraw(self):
        self._pending = False
        node = self._logic.GetSliceNode()
        if node is None or node.GetScene() is None:
            return
        self._logic.UpdatePipeline()
        self._follow()
        port = self._logic.GetImageDataConnection()
        if port is None:
            self._view.show_image(None)
            return
        port.GetProducer().Update()
        data = port.GetProducer().GetOutputDataObject(port.GetIndex())
        if data is None or data.GetNumberOfPoints() == 0 or data.GetPointData().GetScalars() is None:
            self._view.show_image(None)
            return
        width, height, _ = data.GetDimensions()
        scalars = vtk_to_numpy(data.GetPointData().GetScalars())
        pixels = scalars.reshape(height, width, scalars.shape[-1])[::-1].copy()
        form = QtGui.QImage.Format.Format_RGBA8888 if pixels.shape[2] == 4 else QtGui.QImage.Format.Format_RGB888
        self._view.show_image(QtGui.QImage(pixels.data, width, height, pixels.strides[0], form).copy())

    def _follow(self):
        """Offset slider and title bar follow the slice."""
        self._following = True
        bounds = [0.0] * 6
        self._logic.GetLowestVolumeSliceBounds(bounds)
        if bounds[5] > bounds[4]:
            self._offset.setRange(bounds[4], bounds[5])
        self._offset.setValue(self._logic.GetSliceOffset())
        self._following = False
        label = self._node.GetLayoutLabel() or self._node.GetLayoutName()
        self._bar.setText(f"{label}    {self._node.GetOrientation()}  {self._logic.GetSliceOffset():.1f} mm")


@closed
class ThreeDWidget(_View):
    """qMRMLThreeDWidget without a picture."""

    def __init__(self, node, application_logic):
        super().__init__(node, application_logic)
        self._column.addWidget(QtWidgets.QLabel("3-D view"), 1)

    def mrmlViewNode(self):
        return self._node


@closed
class PlotWidget(_View):
    """qMRMLPlotWidget: the chart of its view node, drawn by ourselves."""

    def __init__(self, node, application_logic):
        super().__init__(node, application_logic)
        self._canvas = _Canvas(self)
        self._column.addWidget(self._canvas, 1)

    def attach(self, node):
        if node is not self._node:
            super().attach(node)
            node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, name: self._canvas.update())

    def mrmlPlotViewNode(self):
        return self._node


class _Canvas(QtWidgets.QWidget):
    def __init__(self, owner):
        super().__init__()
        self._owner = owner

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        chart = self._owner._node.GetPlotChartNode() if self._owner._node else None
        draw_chart(painter, self.rect(), chart)
        painter.end()


@closed
class TableWidget(_View):
    """qMRMLTableWidget."""

    def __init__(self, node, application_logic):
        super().__init__(node, application_logic)
        self._table = qMRMLTableView()
        self._table.setStyleSheet("background: white; color: black;")
        self._column.addWidget(self._table, 1)

    def attach(self, node):
        if node is not self._node:
            super().attach(node)
            node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, name: self._show())
        self._show()

    def _show(self):
        if shiboken6.isValid(self):
            self._table.setMRMLTableNode(self._node.GetTableNode())

    def tableView(self):
        return self._table
