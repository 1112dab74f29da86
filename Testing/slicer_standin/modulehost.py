"""Loads scripted modules as Slicer does: module class, panel widget, enter and exit, reload, unload."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import qt
import slicer
from PySide6.QtCore import Property

from slicer_standin.mrmlwidgets import qMRMLWidget
from slicer_standin.widgetbase import closed


@closed
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The C++ widget whose Python half is the module's `...Widget` class."""

    def __init__(self, module):
        super().__init__()
        self._module, self._entered, self._python = module, False, None
        self.setLayout(qt.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self._make()

    def _make(self):
        kind = getattr(sys.modules[self._module.name], self._module.name + "Widget")
        self._python = kind(self)
        setattr(slicer.modules, self._module.name + "Widget", self._python)
        self._python.setup()

    def self(self):
        return self._python

    def reload(self):
        self._make()

    def enter(self):
        self._entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self):
        self._entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()

    isEntered = Property(bool, lambda self: self._entered)


def _text(key):
    return Property(str, lambda self: self._texts[key], lambda self, value: self._texts.__setitem__(key, value))


def _list(key):
    return Property("QStringList", lambda self: self._lists[key], lambda self, v: self._lists.__setitem__(key, list(v)))


@closed
class qSlicerScriptedLoadableModule(qt.QObject):
    """The C++ module: name, path, title and the panel made on first use."""

    def __init__(self, path: Path):
        super().__init__()
        self._path, self._widget = path, None
        self._texts = {"name": path.stem, "title": "", "helpText": "", "acknowledgementText": ""}
        self._lists = {"categories": [], "dependencies": [], "contributors": []}
        self._icon, self._hidden = qt.QIcon(), False

    @classmethod
    def _free(cls, name):
        return name.startswith("_")

    def widgetRepresentation(self):
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget(self)
        return self._widget

    def createNewWidgetRepresentation(self):
        return qSlicerScriptedLoadableModuleWidget(self)

    name, title, helpText, acknowledgementText = map(_text, ("name", "title", "helpText", "acknowledgementText"))
    categories, dependencies, contributors = map(_list, ("categories", "dependencies", "contributors"))
    path = Property(str, lambda self: str(self._path))
    hidden = Property(bool, lambda self: self._hidden, lambda self, value: setattr(self, "_hidden", value))
    icon = Property(qt.QIcon, lambda self: self._icon, lambda self, value: setattr(self, "_icon", value))


def install():
    """Put the two classes where `slicer.util` looks for them."""
    slicer.qSlicerScriptedLoadableModule = qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget


def load(path: Path):
    """Load the module and open its panel; after the first time the panel is only entered again."""
    name = path.stem
    manager = slicer.app.moduleManager()
    known = manager.module(name)
    if known is not None and known._path == path:
        known.widgetRepresentation().enter()
        return known
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    source = importlib.util.module_from_spec(spec)
    sys.modules[name] = source
    spec.loader.exec_module(source)
    module = qSlicerScriptedLoadableModule(path)
    instance = getattr(source, name)(module)
    manager._modules[name] = module
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, name + "Instance", instance)
    if hasattr(instance, "setup"):
        instance.setup()
    slicer.app.startupCompleted.emit()
    module.widgetRepresentation().enter()
    return module


def unload_all():
    """Exit every panel, then tell every module that it is about to be unloaded."""
    manager = slicer.app.moduleManager()
    for name, module in list(manager._modules.items()):
        if isinstance(module, qSlicerScriptedLoadableModule):
            if module._widget is not None:
                module._widget.exit()
            manager.moduleAboutToBeUnloaded.emit(name)
            if module._widget is not None:
                module._widget.close()
                module._widget.deleteLater()
            del manager._modules[name]
            for entry in (name.lower(), name + "Instance", name + "Widget"):
                if hasattr(slicer.modules, entry):
                    delattr(slicer.modules, entry)
    slicer.app.processEvents()
