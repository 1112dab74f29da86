"""`slicer.app`: a real QApplication with the parts of qSlicerApplication that modules use."""

from __future__ import annotations

import os
from pathlib import Path

import qt
from PySide6 import QtCore
from PySide6.QtCore import Property, Signal

from slicer_standin.coreio import CoreIOManager


class _CommandOptions(qt.QObject):
    """Options that Slicer was started with."""

    runPythonAndExit = Property(bool, lambda self: False, lambda self, value: None)
    noMainWindow = Property(bool, lambda self: False)
    isTestingEnabled = Property(bool, lambda self: True)


class ModuleManager(qt.QObject):
    """Which modules are loaded."""

    moduleAboutToBeUnloaded = Signal(str)
    slicerSignals = {"moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded"}

    def __init__(self):
        super().__init__()
        self._modules = {}

    def module(self, name):
        return self._modules.get(name)

    def factoryManager(self):
        return self

    def loadedModuleNames(self):
        return tuple(self._modules)

    def modulesNames(self):
        return tuple(self._modules)

    def isLoaded(self, name):
        return name in self._modules


class Application(qt.QApplication):
    """qSlicerApplication.

    Args:
        folder: temporary files, settings, cache.
        testing: whether Slicer runs with --testing: no dialogs, errors are raised again.
    """

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)

    def __init__(self, folder: Path, scene, logic, testing: bool) -> None:
        super().__init__(["Slicer"])
        self._folder, self._scene, self._logic, self.testing = folder, scene, logic, testing
        self._layouts = None
        self._modules = ModuleManager()
        self._io = CoreIOManager(scene, folder)
        self._options = _CommandOptions()
        QtCore.QCoreApplication.setApplicationName("Slicer")
        QtCore.QCoreApplication.setOrganizationName("NA-MIC")
        self._settings = qt.QSettings(str(folder / "Slicer.ini"), qt.QSettings.IniFormat)
        self._startEnvironment = QtCore.QProcessEnvironment()
        for name, value in os.environ.items():
            self._startEnvironment.insert(name, value)

    # managers -------------------------------------------------------------------------------------------------------
    def layoutManager(self):
        return self._layouts

    def moduleManager(self):
        return self._modules

    def coreIOManager(self):
        return self._io

    def ioManager(self):
        return self._io

    def applicationLogic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def commandOptions(self):
        return self._options

    def userSettings(self):
        return self._settings

    def settings(self):
        return self._settings

    def revisionUserSettings(self):
        return self._settings

    def startupEnvironment(self):
        return self._startEnvironment

    def testingEnabled(self):
        return self.testing

    # odds and ends --------------------------------------------------------------------------------------------------
    def translate(self, context, text):
        return text

    def pauseRender(self):
        return 0

    def resumeRender(self):
        return 0

    def moduleDocumentationUrl(self, name):
        return self.documentationBaseUrl + "user_guide/modules/" + name.lower() + ".html"

    def restart(self):
        raise RuntimeError("the stand-in cannot restart")

    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/5.12/")
    temporaryPath = Property(str, lambda self: str(self._folder / "temporary"))
    cachePath = Property(str, lambda self: str(self._folder / "cache"))
    defaultScenePath = Property(str, lambda self: str(self._folder))
    slicerHome = Property(str, lambda self: str(self._folder / "home"))
    slicerUserSettingsFilePath = Property(str, lambda self: str(self._folder / "Slicer.ini"))
    extensionsInstallPath = Property(str, lambda self: str(self._folder / "extensions"))
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 12)
    applicationVersion = Property(str, lambda self: "5.12.4")
    mainApplicationName = Property(str, lambda self: "Slicer")
    revision = Property(str, lambda self: "34000")
    repositoryRevision = Property(str, lambda self: "34000")
    releaseType = Property(str, lambda self: "Stable")
    os = Property(str, lambda self: {"nt": "win"}.get(os.name, "linux"))
    arch = Property(str, lambda self: "amd64")
