"""qMRMLNodeComboBox and qMRMLCheckableNodeComboBox, on the real scene."""

from __future__ import annotations

import qt
import shiboken6
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_standin.widgetbase import closed


class MrmlWidget(qt.QWidget):
    """A widget with a scene."""

    mrmlSceneChanged = Signal(object)
    slicerSignals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent=None):
        super().__init__() if parent is None else super().__init__(parent)
        self._scene, self._observed = None, []

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        self._forget()
        self._scene = scene
        if scene is not None:
            self._watch(scene)
        self.mrmlSceneChanged.emit(scene)

    def _watch(self, scene):
        pass

    def _observe(self, thing, event, call):
        def guarded(caller, name):
            if shiboken6.isValid(self):
                call()

        self._observed.append((thing, thing.AddObserver(event, guarded)))

    def _forget(self):
        for thing, tag in self._observed:
            thing.RemoveObserver(tag)
        self._observed = []


class _NodeList(MrmlWidget):
    """What the node selectors share: which nodes of the scene are offered."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._types, self._attributes, self._none, self._hidden, self._children = [], [], False, False, True
        self._flags = {"addEnabled": True, "removeEnabled": True, "editEnabled": False, "renameEnabled": False}
        self._flags["selectNodeUponCreation"] = True
        self._baseName = ""
        self._noneDisplay = "None"

    def _of_types(self):
        """Every node of the scene that is of one of the types."""
        nodes = []
        for kind in self._types if self._scene is not None else ():
            for index in range(self._scene.GetNumberOfNodesByClass(kind)):
                node = self._scene.GetNthNodeByClass(index, kind)
                if node not in nodes and (self._children or node.GetClassName() == kind):
                    nodes.append(node)
        return nodes

    def _offered(self):
        """Those of them that are not hidden and have the attributes asked for."""
        return [n for n in self._of_types() if (self._hidden or not n.GetHideFromEditors()) and self._fits(n)]

    def _fits(self, node):
        rules = [rule for rule in self._attributes if node.IsA(rule[0])]
        return all(
            node.GetAttribute(key) is not None and (value is None or node.GetAttribute(key) == str(value))
            for _, key, value in rules
        )

    def addAttribute(self, nodeType, key, value=None):
        self._attributes.append((nodeType, key, value))
        self._refresh()

    def removeAttribute(self, nodeType, key):
        self._attributes = [rule for rule in self._attributes if rule[:2] != (nodeType, key)]
        self._refresh()

    def nodeCount(self):
        return len(self._offered())

    def nodeFromIndex(self, index):
        nodes = self._offered()
        return nodes[index] if 0 <= index < len(nodes) else None

    def nodes(self):
        return self._offered()

    def _watch(self, scene):
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            self._observe(scene, event, self._refresh)
        self._refresh()

    def _refresh(self):
        raise NotImplementedError

    def _set(self, name, value):
        setattr(self, name, value)
        self._refresh()

    def _flag(self, name, value):
        self._flags[name] = bool(value)

    nodeTypes = Property(
        "QStringList", lambda self: list(self._types), lambda self, v: self._set("_types", [t for t in v if t])
    )
    showHidden = Property(bool, lambda self: self._hidden, lambda self, v: self._set("_hidden", bool(v)))
    showChildNodeTypes = Property(bool, lambda self: self._children, lambda self, v: self._set("_children", bool(v)))
    noneEnabled = Property(bool, lambda self: self._none, lambda self, v: self._set("_none", bool(v)))
    noneDisplay = Property(str, lambda self: self._noneDisplay, lambda self, v: self._set("_noneDisplay", v))
    baseName = Property(str, lambda self: self._baseName, lambda self, v: setattr(self, "_baseName", v))
    addEnabled = Property(bool, lambda self: self._flags["addEnabled"], lambda self, v: self._flag("addEnabled", v))
    removeEnabled = Property(
        bool, lambda self: self._flags["removeEnabled"], lambda self, v: self._flag("removeEnabled", v)
    )
    editEnabled = Property(bool, lambda self: self._flags["editEnabled"], lambda self, v: self._flag("editEnabled", v))
    renameEnabled = Property(
        bool, lambda self: self._flags["renameEnabled"], lambda self, v: self._flag("renameEnabled", v)
    )
    selectNodeUponCreation = Property(
        bool,
        lambda self: self._flags["selectNodeUponCreation"],
        lambda self, v: self._flag("selectNodeUponCreation", v),
    )


@closed
class qMRMLNodeComboBox(_NodeList):
    """Chooses one node of the scene; without `noneEnabled` the first node that appears is chosen."""

    currentNodeChanged = Signal(object)
    currentNodeChangedBool = Signal(bool)
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAddedByUser = Signal(object)
    slicerSignals = {
        **MrmlWidget.slicerSignals,
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeChangedBool",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
    }

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox()
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.setMinimumContentsLength(8)
        row.addWidget(self._box)
        self._current, self._rows, self._names = None, [], []
        self._box.currentIndexChanged.connect(self._picked)

    def _picked(self, index):
        self._choose(self._rows[index] if 0 <= index < len(self._rows) else None)

    def _choose(self, node):
        if node is self._current:
            return
        self._current = node
        self.currentNodeChanged.emit(node)
        self.currentNodeChangedBool.emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _refresh(self):
        nodes = self._offered()
        for thing, tag in self._names:
            thing.RemoveObserver(tag)
        event = vtk.vtkCommand.ModifiedEvent
        self._names = [(node, node.AddObserver(event, self._node_modified)) for node in self._of_types()]
        chosen = self._current if self._current in nodes else None
        if chosen is None and not self._none and nodes:
            chosen = nodes[0]
        self._box.blockSignals(True)
        self._box.clear()
        self._rows = ([None] if self._none else []) + nodes
        for node in self._rows:
            self._box.addItem(self._noneDisplay if node is None else node.GetName())
        self._show(chosen)
        self._box.blockSignals(False)
        self._choose(chosen)

    def _node_modified(self, node, event):
        """A new name, or an attribute with which the node is offered now, or no longer."""
        if not shiboken6.isValid(self):
            return
        if node in self._rows:
            self._box.setItemText(self._rows.index(node), node.GetName())
        if self._offered() != [row for row in self._rows if row is not None]:
            self._refresh()

    def _show(self, node):
        self._box.setCurrentIndex(self._rows.index(node) if node in self._rows else -1)

    def _forget(self):
        super()._forget()
        for thing, tag in self._names:
            thing.RemoveObserver(tag)
        self._names = []

    # the real class's slots and invokables --------------------------------------------------------------------------
    def currentNode(self):
        return self._current

    def setCurrentNode(self, node):
        node = node if node in self._rows else None
        self._box.blockSignals(True)
        self._show(node)
        self._box.blockSignals(False)
        self._choose(node)

    def setCurrentNodeID(self, identifier):
        self.setCurrentNode(self._scene.GetNodeByID(identifier) if self._scene and identifier else None)

    def setCurrentNodeIndex(self, index):
        self.setCurrentNode(self.nodeFromIndex(index))

    def addNode(self, kind=None):
        kind = kind or self._types[0]
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(self._baseName or kind[7:-4]))
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        if self._current is not None:
            self._scene.RemoveNode(self._current)

    def comboBox(self):
        return qt.adopt(self._box)

    currentNodeID = Property(str, lambda self: self._current.GetID() if self._current else "", setCurrentNodeID)


@closed
class qMRMLCheckableNodeComboBox(_NodeList):
    """Checks any number of nodes of the scene."""

    checkedNodesChanged = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._list = QtWidgets.QListWidget()
        self._list.setMaximumHeight(90)
        column.addWidget(self._list)
        self._rows, self._on = [], set()
        self._list.itemChanged.connect(lambda item: self._clicked(self._list.row(item)))

    def _clicked(self, row):
        state = self._list.item(row).checkState() == QtCore.Qt.CheckState.Checked
        self.setCheckState(self._rows[row], QtCore.Qt.CheckState.Checked if state else QtCore.Qt.CheckState.Unchecked)

    def _refresh(self):
        self._rows = self._offered()
        known = {node.GetID() for node in self._rows}
        gone, self._on = self._on - known, self._on & known
        self._draw()
        if gone:
            self.checkedNodesChanged.emit()

    def _draw(self):
        self._list.blockSignals(True)
        self._list.clear()
        for node in self._rows:
            item = QtWidgets.QListWidgetItem(node.GetName())
            on = node.GetID() in self._on
            item.setCheckState(QtCore.Qt.CheckState.Checked if on else QtCore.Qt.CheckState.Unchecked)
            self._list.addItem(item)
        self._list.blockSignals(False)

    def checkState(self, node):
        return QtCore.Qt.CheckState.Checked if node.GetID() in self._on else QtCore.Qt.CheckState.Unchecked

    def setCheckState(self, node, state):
        before = set(self._on)
        (self._on.add if state == QtCore.Qt.CheckState.Checked else self._on.discard)(node.GetID())
        if before != self._on:
            self._draw()
            self.checkedNodesChanged.emit()

    def checkedNodes(self):
        return tuple(node for node in self._rows if node.GetID() in self._on)

    def uncheckedNodes(self):
        return tuple(node for node in self._rows if node.GetID() not in self._on)
