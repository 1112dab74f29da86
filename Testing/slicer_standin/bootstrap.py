"""Start the stand-in once in a process, then hand out fresh scenes.

session = bootstrap.start(folder)              # scene, application logic, slicer.app, layout manager, launcher
widget = session.load_module(path_to_module)   # as Slicer loads a scripted module and opens its panel
session.process_until(lambda: widget.done, 10) # runs Qt events until it is so; False when the time is over
session.fresh()                                # close the scene, default views
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve().parent
NEEDED = ("slicer_core", "vtk", "PySide6", "shiboken6")
_LOGICS = {
    "volumes": "vtkSlicerVolumesLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "tables": "vtkSlicerTablesLogic",
    "plots": "vtkSlicerPlotsLogic",
    "units": "vtkSlicerUnitsLogic",
}
_started: list[Session] = []


def missing() -> str:
    """Why the stand-in cannot run here, or an empty text.

    Raises:
        RuntimeError: there is a folder `slicer` on the path: the package `slicer` would import every file in it.
    """
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        return f"needs slicer-core and PySide6-Essentials (requirements-test.txt); not installed: {', '.join(absent)}"
    if (HERE.parent / "slicer").exists():
        raise RuntimeError("Testing/slicer must not exist: slicer-core would import it; use Testing/slicer_module")
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as problem:
        return f"Qt does not load here: {problem}"
    return ""


class CoreModule:
    """An entry of `slicer.modules` that is not scripted: its name and its real logic."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name, self._logic = name, logic

    def logic(self) -> Any:
        return self._logic


class Session:
    """The running stand-in."""

    def __init__(self, folder: Path, testing: bool) -> None:
        self.folder = folder
        for part in ("temporary", "cache", "home", "bin"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._paths()
        import slicer
        import vtk

        self.slicer = slicer
        self.scene = slicer.mrmlScene = slicer.vtkMRMLScene()
        self._modules: dict[str, Any] = {}
        slicer.modules = SimpleNamespace()
        self.application_logic = self._application_logic(slicer, vtk)
        from slicer_standin import mrmlwidgets
        from slicer_standin.application import Application

        mrmlwidgets.install()
        self.app = slicer.app = Application(folder, self.scene, self.application_logic, testing)
        self._core_logics(slicer)
        from slicer_standin import layout, modulehost

        modulehost.install()
        self.app._layouts = layout.LayoutManager(self.scene, self.application_logic)

    def _paths(self) -> None:
        """Where `qt`, `ctk`, `SampleData`, the missing parts of `slicer`, and PythonSlicer are found."""
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.*=false")
        for place in (HERE / "top", HERE.parent):
            if str(place) not in sys.path:
                sys.path.insert(0, str(place))
        import slicer

        slicer.__path__.append(str(HERE / "slicer_parts"))
        # Slicer's PythonSlicer is a launcher: a parent of the interpreter, which outlives it when it is killed.
        launcher = self.folder / "bin" / "PythonSlicer"
        launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n', encoding="utf-8")
        launcher.chmod(0o755)
        os.environ["PATH"] = str(launcher.parent) + os.pathsep + os.environ.get("PATH", "")
        from PySide6 import QtCore

        self.qt_messages: list[str] = []
        QtCore.qInstallMessageHandler(self._qt_message)
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        QtCore.QSettings.setPath(
            QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, str(self.folder / "settings")
        )

    def _qt_message(self, kind: Any, context: Any, text: str) -> None:
        """Keep what Qt complains of (a wrong connection, say), except for what every offscreen window says."""
        if "propagateSizeHints" not in text:
            self.qt_messages.append(text)
            print(f"Qt: {text}", file=sys.stderr)

    def _application_logic(self, slicer: Any, vtk: Any) -> Any:
        logic = slicer.vtkSlicerApplicationLogic()
        logic.SetMRMLScene(self.scene)
        logic.SetTemporaryPath(str(self.folder / "temporary"))
        logic.GetColorLogic().SetMRMLScene(self.scene)
        logic.GetColorLogic().AddDefaultColorNodes()
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(str(self.folder / "cache"))
        data_io = slicer.vtkDataIOManager()
        data_io.SetCacheManager(cache)
        self.scene.SetCacheManager(cache)
        self.scene.SetDataIOManager(data_io)  # without it ReadFromMRB fails
        self._kept = [cache, data_io]
        return logic

    def _core_logics(self, slicer: Any) -> None:
        colors = self.application_logic.GetColorLogic()
        slicer.modules.colors = CoreModule("Colors", colors)
        self.application_logic.SetModuleLogic("Colors", colors)
        for name, kind in _LOGICS.items():
            logic = getattr(slicer, kind)()
            logic.SetMRMLApplicationLogic(self.application_logic)
            logic.SetMRMLScene(self.scene)
            self.application_logic.SetModuleLogic(name.capitalize(), logic)
            module = CoreModule(name, logic)
            setattr(slicer.modules, name, module)
            self.app.moduleManager()._modules[name.capitalize()] = module

        self._follow_subject_hierarchy(slicer)

    def _follow_subject_hierarchy(self, slicer: Any) -> None:
        """An item for every node that has data to show: Slicer's Qt plugins make it as soon as the node is added."""
        import vtk

        shown = ("vtkMRMLDisplayableNode", "vtkMRMLTableNode", "vtkMRMLTextNode", "vtkMRMLPlotChartNode")

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(scene: Any, event: str, node: Any) -> None:
            if scene.IsImporting() or node.GetHideFromEditors() or not any(node.IsA(kind) for kind in shown):
                return
            tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
            if tree is not None and not node.IsA("vtkMRMLCameraNode") and not tree.GetItemByDataNode(node):
                tree.CreateItem(tree.GetSceneItemID(), node)

        self.scene.AddObserver(self.scene.NodeAddedEvent, added)

    # for tests ------------------------------------------------------------------------------------------------------
    def load_module(self, path: Path | str) -> Any:
        """Load a scripted module, make its panel, enter it; returns the Python widget."""
        from slicer_standin import modulehost

        return modulehost.load(Path(path)).widgetRepresentation().self()

    def unload_modules(self) -> None:
        """As at the end of Slicer: exit and clean up every scripted module."""
        from PySide6 import QtCore

        from slicer_standin import modulehost

        modulehost.unload_all()
        # Without a running event loop Qt keeps what is to be deleted later, and every panel of a session would go on
        # listening to the scene.
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)

    def fresh(self) -> None:
        """An empty scene with the default layout."""
        self.scene.Clear(0)
        self.app.layoutManager().setLayout(self.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self.app.processEvents()

    def process_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Run Qt events until the condition holds; whether it did in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.app.processEvents()
            if condition():
                return True
            time.sleep(0.01)
        return bool(condition())


def start(folder: Path, testing: bool = True) -> Session:
    """The session of this process; a second call returns the first one's.

    Raises:
        RuntimeError: what it needs is not installed.
    """
    if missing():
        raise RuntimeError(missing())
    if not _started:
        _started.append(Session(Path(folder), testing))
    return _started[0]
