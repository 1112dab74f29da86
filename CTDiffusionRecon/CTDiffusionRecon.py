"""The module as Slicer loads it: module, widget, logic, self-test. The parts are in CTDiffusionReconLib."""

import importlib
import sys
from contextlib import contextmanager
from typing import Any

import qt
import slicer
import vtk
from ctdiffusion.methods.registry import RECONSTRUCTION, SUPERRESOLUTION
from CTDiffusionReconLib.modulelogic import CTDiffusionReconLogic
from CTDiffusionReconLib.panel.applypanel import ApplyPanel
from CTDiffusionReconLib.panel.comparepanel import ComparePanel
from CTDiffusionReconLib.panel.fieldspanel import FieldsPanel
from CTDiffusionReconLib.panel.geometrypanel import GeometryPanel
from CTDiffusionReconLib.panel.inputpanel import InputPanel
from CTDiffusionReconLib.panel.jobpanel import JobPanel
from CTDiffusionReconLib.panel.methodsection import MethodSection
from CTDiffusionReconLib.panel.outputpanel import OutputPanel
from CTDiffusionReconLib.panel.resultspanel import ResultsPanel
from CTDiffusionReconLib.panel.thinslicespanel import ThinSlicesPanel
from CTDiffusionReconLib.scene.fields import node_fields
from CTDiffusionReconLib.scene.sampledata import loadSample, registerSampleData
from CTDiffusionReconLib.scene.selftest import CTDiffusionReconTest
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# Slicer takes the names of the module, its widget, its logic and its test from this file.
__all__ = ["CTDiffusionRecon", "CTDiffusionReconLogic", "CTDiffusionReconTest", "CTDiffusionReconWidget"]

POLL_MS = 200


class CTDiffusionRecon(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("CT Diffusion Reconstruction")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Tomographic Reconstruction")]
        self.parent.dependencies = []
        self.parent.contributors = ["CTDiffusionRecon maintainers"]
        self.parent.helpText = _(
            "Reconstructs CT volumes from few or noisy X-ray views by diffusion models, beside FBP/FDK, SIRT, CGLS and "
            "total variation, in millimetres and Hounsfield units. For research, not for diagnosis.<p>Choose a CT "
            "volume, whose projections are simulated, or a file of measured projections; a scan geometry; a method; "
            "and press Apply. The work is done by a process of its own, so you can go on using Slicer. Small "
            "structures in a result of a diffusion prior may look convincing and be wrong: compare with FBP and TV.</p>"
        )
        self.parent.acknowledgementText = _(
            "The sample is from LIDC-IDRI, The Cancer Imaging Archive, doi:10.7937/k9/tcia.2015.lo9ql9sx, CC BY 3.0."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class CTDiffusionReconWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel. Its sections are objects of their own; this class connects them with the scene and the queue."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self._parameterNode: Any = None
        self._parameterNodeGuiTag: Any = None
        self._inputs: list[Any] = []
        self._section: Any = None
        self.timer: Any = None

    def setup(self):
        """Called once, when the module is first opened or used from Python."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CTDiffusionRecon.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = CTDiffusionReconLogic()

        self.inputPanel = InputPanel(self.ui, loadSample)
        self.geometryPanel = GeometryPanel(self.ui)
        self.methodSection = MethodSection(self.ui, self.logic.reconstruction.engine)
        self.outputPanel = OutputPanel(
            self.ui, self.logic.reconstruction, self.onEngineAnswered, lambda: self.methodSection.priorName
        )
        self.jobPanel = JobPanel(self.ui, self.logic.queue, self.onRetry)
        self.comparePanel = ComparePanel(self.ui, self.logic.comparison)
        self.resultsPanel = ResultsPanel(self.ui, self.logic, self.comparePanel.add)
        self.applyPanel = ApplyPanel(self.ui, self.logic, self.inputPanel, self.outputPanel, self.methodSection)
        self.thinSlicesPanel = ThinSlicesPanel(self.ui, self.logic, self.outputPanel)
        self.advancedPanel = FieldsPanel(self.ui, "advanced", node_fields(RECONSTRUCTION))
        self.thinAdvancedPanel = FieldsPanel(self.ui, "thinAdvanced", node_fields(SUPERRESOLUTION))
        self.ui.timeButton.connect("clicked(bool)", lambda *unused: self.timer.start())
        self.panels = (
            self.inputPanel,
            self.geometryPanel,
            self.methodSection,
            self.advancedPanel,
            self.thinAdvancedPanel,
            self.resultsPanel,
            self.comparePanel,
            self.applyPanel,
            self.thinSlicesPanel,
        )
        for section, button, queueButton in (
            (self.applyPanel, self.ui.applyButton, self.ui.queueButton),
            (self.thinSlicesPanel, self.ui.thinButton, self.ui.thinQueueButton),
        ):
            button.connect("clicked(bool)", lambda *unused, section=section: self.onStartButton(section))
            queueButton.connect("clicked(bool)", lambda *unused, section=section: self.onQueueButton(section))

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodesChanged)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodesChanged)

        # The queue lives by being polled: also while another module is open.
        self.timer = qt.QTimer()
        self.timer.setInterval(POLL_MS)
        self.timer.connect("timeout()", self.onTimer)
        self.logic.queue.submitted = self.timer.start
        slicer.app.connect("aboutToQuit()", self.onQuit)
        self.initializeParameterNode()
        self.jobPanel.update()

    def cleanup(self):
        """Called when Slicer ends and when the module is reloaded: the engine ends too."""
        self.timer.stop()
        slicer.app.disconnect("aboutToQuit()", self.onQuit)
        self.outputPanel.stop()
        self.logic.comparison.close()
        self.setParameterNode(None)
        self.removeObservers()
        self.logic.shutdown()

    def enter(self):
        """Called whenever the user opens this module."""
        self.initializeParameterNode()
        self.methodSection.refreshPriors()
        self.comparePanel.refresh()
        self.resultsPanel.followJobs(show=False)
        if not self.ui.deviceLabel.text:
            self.outputPanel.ask()
        self.timer.start()

    def exit(self):
        """Called whenever the user opens another module."""
        self.setParameterNode(None)

    def onReload(self):
        """Reload the library with the module; new imports take the place of the old ones in the right order."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "CTDiffusionReconLib"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        ScriptedLoadableModuleWidget.onReload(self)

    def onQuit(self):
        """Slicer ends; `cleanup` may come too late or not at all."""
        self.logic.shutdown()

    def onSceneStartClose(self, caller, event):
        """The nodes are about to go."""
        self.logic.comparison.onSceneClosing()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """The scene is empty now."""
        if self.parent.isEntered:
            self.initializeParameterNode()
        self.comparePanel.refresh()

    def onNodesChanged(self, caller, event):
        """Volumes may have come or gone."""
        if not slicer.mrmlScene.IsBatchProcessing() and not slicer.mrmlScene.IsClosing():
            self.comparePanel.refresh()

    def initializeParameterNode(self):
        """Make sure that there is a parameter node; take the first volume where none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if self._parameterNode.inputVolume is None:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first is not None:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, parameterNode):
        """Follow another parameter node, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = parameterNode
        self.observeInputs()
        for panel in self.panels:
            panel.setParameters(None)
        if parameterNode is None:
            return
        self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
        self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        for panel in self.panels:
            panel.setParameters(parameterNode)
        self.onParametersModified()

    def observeInputs(self, *volumes):
        """Voxels may come after the node: scripts often fill a volume that is already chosen."""
        wanted = [volume for volume in dict.fromkeys(volumes) if volume is not None]
        event = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent
        for volume in self._inputs:
            if volume not in wanted:
                self.removeObserver(volume, event, self.onParametersModified)
        for volume in wanted:
            if volume not in self._inputs:
                self.addObserver(volume, event, self.onParametersModified)
        self._inputs = wanted

    def onParametersModified(self, caller=None, event=None):
        """Something was chosen, in the panel or by a script."""
        if self._parameterNode is None:
            return
        self.observeInputs(self._parameterNode.inputVolume, self._parameterNode.thickVolume)
        self.inputPanel.update()
        self.geometryPanel.update(self.inputPanel.grid)
        self.methodSection.update()
        self.advancedPanel.update()
        self.thinAdvancedPanel.update()
        self.resultsPanel.update()
        self.comparePanel.update()
        self.applyPanel.update()
        self.thinSlicesPanel.update()

    def onTimer(self):
        """Follow the jobs and the device query; rest when there is nothing to follow."""
        self.logic.queue.poll()
        self.outputPanel.poll()
        self.jobPanel.update()
        self.applyPanel.updateButtons()
        self.thinSlicesPanel.updateButtons()
        if self.parent.isEntered:
            self.resultsPanel.followJobs()
        if not self.logic.queue.active and not self.outputPanel.isAsking:
            self.timer.stop()

    def onEngineAnswered(self):
        """The engine has told what it computes on, or how fast: estimates become better."""
        self.applyPanel.update()

    def onStartButton(self, section):
        """Do what the button said: cancel the job that it showed, or start what the section asks for."""
        if section.shown is not None:
            section.shown.cancel()
        else:
            self.onQueueButton(section)
        self.onTimer()

    def onQueueButton(self, section=None):
        """Start a job with a section's present settings (Apply's if none), behind those that run and wait."""
        section = section or self.applyPanel
        self._section = section
        self.jobPanel.clearError()
        with self._errorsInPanel():
            report = self.applyPanel.missingPackages()
            if report is not None:
                self.jobPanel.showError(report.text, log=report.log)
                return
            section.start()

    def onRetry(self, job):
        """Run a failed job again with what it asked for; try again to install what was missing."""
        if job is None:
            self.onQueueButton(self._section)
        else:
            with self._errorsInPanel(job):
                self.logic.retry(job)

    @contextmanager
    def _errorsInPanel(self, job=None):
        """Say in the panel what stands in the way of a job; `job` is the one that is tried again."""
        with slicer.util.tryWithErrorDisplay(_("The job cannot start.")):
            try:
                yield
            except (OSError, RuntimeError, ValueError) as error:
                self.jobPanel.showError(str(error), job)
