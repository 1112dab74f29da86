"""The stand-in's application around the real scene: loading, .mrb, layouts, linked slices, module life."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy
import pytest

MODULE = '''
import qt, slicer, vtk
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin
LIFE = []
class Tiny(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Tiny"
        parent.categories = ["Tests"]
        slicer.app.connect("startupCompleted()", lambda: LIFE.append("startup"))
class TinyWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = TinyLogic()
        self.button = qt.QPushButton("press")
        self.layout.addWidget(self.button)
        LIFE.append("setup")
    def enter(self): LIFE.append("enter")
    def exit(self): LIFE.append("exit")
    def cleanup(self): LIFE.append("cleanup")
class TinyLogic(ScriptedLoadableModuleLogic):
    pass
'''


@pytest.fixture
def volume(fresh: Any) -> Any:
    import slicer

    values = numpy.arange(4 * 20 * 30, dtype=numpy.int16).reshape(4, 20, 30)
    matrix = numpy.diag([-0.7, -0.7, 2.5, 1.0])
    matrix[:3, 3] = (10.0, 20.0, -50.0)
    return slicer.util.addVolumeFromArray(values, ijkToRAS=matrix, name="CT")


def test_bundle_round_trip_keeps_voxels_geometry_and_parameters(fresh: Any, volume: Any, tmp_path: Path) -> None:
    import slicer

    values, matrix = slicer.util.arrayFromVolume(volume).copy(), volume_matrix(volume)
    volume.SetAttribute("CTDiffusionRecon.method", "dds")
    parameters = fresh.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "P")
    parameters.SetParameter("views", "30")
    parameters.SetNodeReferenceID("input", volume.GetID())
    bundle = tmp_path / "with space é.mrb"
    assert slicer.util.saveScene(str(bundle)) and bundle.stat().st_size > 1000
    fresh.fresh()
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    slicer.util.loadScene(str(bundle))
    back = slicer.util.getNode("CT")
    assert numpy.array_equal(slicer.util.arrayFromVolume(back), values)
    assert numpy.allclose(volume_matrix(back), matrix, atol=1e-6)
    assert back.GetAttribute("CTDiffusionRecon.method") == "dds"
    assert slicer.util.getNode("P").GetNodeReference("input") is back


def volume_matrix(node: Any) -> Any:
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def test_a_missing_file_raises_with_its_name(fresh: Any, tmp_path: Path) -> None:
    import slicer

    with pytest.raises(RuntimeError, match=r"nothing\.nrrd"):
        slicer.util.loadVolume(str(tmp_path / "nothing.nrrd"))


def test_layout_of_our_own_makes_views_and_shows_the_volume(fresh: Any, volume: Any) -> None:
    import slicer

    item = '<item><view class="vtkMRMLSliceNode" singletontag="{0}"><property name="orientation" action="default">'
    item += 'Axial</property><property name="viewlabel" action="default">{0}</property></view></item>'
    xml = f'<layout type="horizontal">{item.format("Mine1")}{item.format("Mine2")}</layout>'
    manager = slicer.app.layoutManager()
    before = manager.layout
    assert manager.layoutLogic().GetLayoutNode().AddLayoutDescription(711, xml)
    manager.setLayout(711)
    assert {"Mine1", "Mine2"} <= set(manager.sliceViewNames()) and manager.layout == 711
    widgets = [manager.sliceWidget(name) for name in ("Mine1", "Mine2")]
    manager.viewport().show()
    for widget in widgets:
        widget.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
        widget.mrmlSliceCompositeNode().SetLinkedControl(1)
        widget.fitSliceToBackground()
    fresh.process_until(lambda: False, 0.1)
    logic = widgets[0].sliceLogic()
    logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
    logic.SetSliceOffset(-45.0)
    logic.EndSliceNodeInteraction()
    assert widgets[1].sliceLogic().GetSliceOffset() == pytest.approx(-45.0), "linked slices scroll together"
    widgets[0].redraw()
    assert widgets[0].sliceView()._image is not None
    manager.setLayout(before)
    assert not widgets[0].isVisible()
    with pytest.raises(ValueError, match="no layout"):
        manager.setLayout(999999)


def test_a_module_lives_as_slicer_lets_it_live(fresh: Any, tmp_path: Path) -> None:
    import slicer

    path = tmp_path / "Tiny.py"
    path.write_text(MODULE, encoding="utf-8")
    widget = fresh.load_module(path)
    import sys

    life = sys.modules["Tiny"].LIFE
    assert life == ["startup", "setup", "enter"] and widget.parent.isEntered
    assert slicer.modules.tiny.title == "Tiny" and slicer.modules.TinyWidget is widget
    assert slicer.util.getModuleLogic("Tiny") is widget.logic
    node = widget.logic.getParameterNode()
    assert node.GetAttribute("ModuleName") == "Tiny" and widget.logic.getParameterNode() is node
    widget.onReload()
    again = slicer.modules.TinyWidget
    assert life[-1] == "cleanup" and again is not widget and sys.modules["Tiny"].LIFE == ["setup"]
    assert again.button.parent() is not None
    fresh.unload_modules()
    assert sys.modules["Tiny"].LIFE == ["setup", "exit", "cleanup"]


def test_testing_mode_logs_instead_of_asking(fresh: Any) -> None:
    import slicer

    assert slicer.app.testingEnabled()
    slicer.util.errorDisplay("shown to nobody")
    assert slicer.util.mainWindow() is None
    with pytest.raises(ZeroDivisionError), slicer.util.tryWithErrorDisplay("failed"):
        _ = 1 / 0


def test_packaging_checks_and_skips_in_testing_mode(fresh: Any, tmp_path: Path) -> None:
    from slicer import packaging

    file = tmp_path / "requirements.txt"
    file.write_text("# comment\nnumpy>=1.20\nno-such-package-here==1.0\n-r other.txt\n", encoding="utf-8")
    wanted = packaging.load_requirements(file)
    assert [item.name for item in wanted] == ["numpy", "no-such-package-here"]
    assert packaging.pip_check(wanted[0]) and not packaging.pip_check(wanted)
    assert packaging.pip_ensure(wanted, requester="Tests") is None


@pytest.mark.skipif(os.name == "nt", reason="the launcher here is a shell script")
def test_killing_the_launcher_leaves_the_interpreter(fresh: Any) -> None:
    import shutil

    launcher = shutil.which("PythonSlicer")
    assert launcher is not None
    code = "import os,sys,time; print(os.getpid(), flush=True); sys.stdin.read()"
    child = subprocess.Popen([launcher, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdin is not None
    interpreter = int(child.stdout.readline())
    assert interpreter != child.pid
    child.kill()
    child.wait(10)
    os.kill(interpreter, 0)  # still there
    child.stdin.close()  # and ends when its standard input closes
    assert fresh.process_until(lambda: not alive(interpreter), 10)


def alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
