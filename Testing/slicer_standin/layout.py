"""The layout manager: views after the real vtkMRMLLayoutNode's description, slice views on real slice logics."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import qt
import shiboken6
import slicer
import vtk
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_standin.views import PlotWidget, SliceWidget, TableWidget, ThreeDWidget

_KINDS = {
    "vtkMRMLSliceNode": SliceWidget,
    "vtkMRMLViewNode": ThreeDWidget,
    "vtkMRMLPlotViewNode": PlotWidget,
    "vtkMRMLTableViewNode": TableWidget,
}


class LayoutManager(qt.QObject):
    """qSlicerLayoutManager."""

    layoutChanged = Signal(int)
    slicerSignals = {"layoutChanged(int)": "layoutChanged"}

    def __init__(self, scene, application_logic):
        super().__init__()
        self._closed_views: list = []
        self._scene, self._application_logic = scene, application_logic
        self._widgets: dict[tuple[str, str], QtWidgets.QWidget] = {}
        self._description = ""
        self._viewport = qt.QWidget()
        self._viewport.resize(1200, 800)
        self._viewport.setStyleSheet("background: #1c1c1c;")
        box = QtWidgets.QVBoxLayout(self._viewport)
        box.setContentsMargins(0, 0, 0, 0)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._observed = None
        for event in (scene.NodeAddedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            scene.AddObserver(event, lambda caller, name: self._observe())
        self._observe()
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    # the real class's methods ---------------------------------------------------------------------------------------
    def layoutLogic(self):
        return self._logic

    def setLayout(self, layout):
        node = self._logic.GetLayoutNode()
        if not node.IsLayoutDescription(int(layout)):
            raise ValueError(f"no layout {layout} in the layout node")
        node.SetViewArrangement(int(layout))
        self._build()

    def mrmlScene(self):
        return self._scene

    def viewport(self):
        return self._viewport

    def sliceViewNames(self):
        return tuple(node.GetLayoutName() for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"))

    def sliceWidget(self, name):
        return self._widgets.get(("vtkMRMLSliceNode", name))

    def mrmlSliceLogics(self):
        return self._application_logic.GetSliceLogics()

    def threeDWidget(self, which):
        return self._by_index("vtkMRMLViewNode", which)

    def plotWidget(self, which):
        return self._by_index("vtkMRMLPlotViewNode", which)

    def tableWidget(self, which):
        return self._by_index("vtkMRMLTableViewNode", which)

    def resetSliceViews(self):
        for widget in self._of("vtkMRMLSliceNode"):
            widget.sliceController().fitSliceToBackground()

    def resetThreeDViews(self):
        pass

    def _of(self, kind):
        return [widget for (cls, _), widget in self._widgets.items() if cls == kind]

    def _by_index(self, kind, which):
        if isinstance(which, str):
            return self._widgets.get((kind, which))
        found = self._of(kind)
        return found[which] if which < len(found) else None

    layout = Property(int, lambda self: self._logic.GetLayoutNode().GetViewArrangement(), setLayout)
    threeDViewCount = Property(int, lambda self: len(self._of("vtkMRMLViewNode")))
    plotViewCount = Property(int, lambda self: len(self._of("vtkMRMLPlotViewNode")))
    tableViewCount = Property(int, lambda self: len(self._of("vtkMRMLTableViewNode")))

    # building -------------------------------------------------------------------------------------------------------
    def _observe(self):
        node = self._logic.GetLayoutNode()
        if node is None or node is self._observed:
            return
        self._observed = node
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, name: self._build())
        self._description = ""
        self._build()

    def _build(self):
        node = self._logic.GetLayoutNode()
        if node is None or self._scene.IsClosing() or not shiboken6.isValid(self._viewport):
            return
        description = node.GetCurrentLayoutDescription()
        if not description or description == self._description:
            return
        self._description = description
        for widget in self._widgets.values():
            widget.setParent(None)
        box = QtWidgets.QWidget.layout(self._viewport)
        while box.count():
            old = box.takeAt(0).widget()
            if old is not None:
                old.deleteLater()
        box.addWidget(self._item(ElementTree.fromstring(description)))
        self.layoutChanged.emit(node.GetViewArrangement())

    def _item(self, element):
        """A widget for a <layout> or <view> element."""
        if element.tag == "view":
            return self._view(element)
        kind = element.get("type", "horizontal")
        items = [(item, self._item(item[0])) for item in element.findall("item")]
        if kind == "tab":
            tabs = QtWidgets.QTabWidget()
            for item, widget in items:
                tabs.addTab(widget, item.get("name", ""))
            return tabs
        box = QtWidgets.QWidget()
        if kind == "grid":
            grid = QtWidgets.QGridLayout(box)
            for item, widget in items:
                place = [
                    int(item.get(key, default))
                    for key, default in (("row", 0), ("column", 0), ("rowspan", 1), ("colspan", 1))
                ]
                grid.addWidget(widget, *place)
            layout = grid
        else:
            layout = QtWidgets.QHBoxLayout(box) if kind == "horizontal" else QtWidgets.QVBoxLayout(box)
            for item, widget in items:
                layout.addWidget(widget, int(item.get("splitSize", 1) or 1))
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        return box

    def _view(self, element):
        kind, tag = element.get("class"), element.get("singletontag") or element.get("singletonTag") or ""
        key = (kind, tag)
        node = self._scene.GetSingletonNode(tag, kind)
        if node is None:
            raise RuntimeError(f"the layout names a {kind} {tag!r} that the layout logic did not make")
        if key not in self._widgets:
            self._widgets[key] = _KINDS[kind](node, self._application_logic)
        widget = self._widgets[key]
        widget.attach(node)
        for entry in element.findall("property"):
            widget.apply_property(entry.get("name"), entry.text or "")
        widget.show()
        return widget
