"""The stand-in's Qt layer refuses what PythonQt refuses, and .ui files are wired as Slicer wires them."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Top</class>
 <widget class="qMRMLWidget" name="Top">
  <layout class="QVBoxLayout" name="column">
   <item><widget class="ctkCollapsibleButton" name="section">
     <property name="text"><string>Inputs</string></property>
     <layout class="QFormLayout" name="form">
      <item row="0" column="1"><widget class="qMRMLNodeComboBox" name="wired">
        <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
        <property name="noneEnabled"><bool>true</bool></property>
        <property name="SlicerParameterName" stdset="0"><string>inputVolume</string></property>
      </widget></item>
      <item row="1" column="1"><widget class="qMRMLNodeComboBox" name="forgotten">
        <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
      </widget></item>
     </layout>
   </widget></item>
   <item><widget class="QSpinBox" name="views"><property name="value"><number>7</number></property></widget></item>
  </layout>
 </widget>
 <connections><connection>
   <sender>Top</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>wired</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot>
 </connection></connections>
</ui>"""


@pytest.fixture
def ui(fresh: Any, tmp_path: Path) -> Any:
    import slicer

    path = tmp_path / "Top.ui"
    path.write_text(UI, encoding="utf-8")
    widget = slicer.util.loadUI(str(path))
    found = slicer.util.childWidgetVariables(widget)
    found.top = widget
    return found


def test_properties_are_values_as_in_pythonqt(fresh: Any) -> None:
    import qt

    button = qt.QPushButton("Apply")
    assert button.text == "Apply" and button.enabled is True
    button.enabled, button.toolTip = 0, "why"
    assert button.enabled is False and button.toolTip == "why"
    button.setText("Run")
    assert button.text == "Run" and button.isEnabled() is False
    for mistake in (lambda: button.text(), lambda: button.enabled()):
        with pytest.raises(TypeError, match="not callable"):
            mistake()
    with pytest.raises(TypeError):
        qt.QPushButton("Apply", enabled=False)  # keyword arguments are PySide's, not PythonQt's


def test_qt_objects_take_no_new_attributes_but_derived_classes_do(fresh: Any) -> None:
    import qt

    with pytest.raises(AttributeError, match="enabledd"):
        qt.QPushButton().enabledd = False
    with pytest.raises(AttributeError, match="setText"):
        qt.QPushButton().setText = print

    class Panel(qt.QWidget):
        pass

    panel = Panel()
    panel.state = 3
    assert panel.state == 3 and isinstance(panel, qt.QWidget)


def test_signals_connect_by_text_and_unknown_ones_fail(fresh: Any) -> None:
    import qt

    heard: list[object] = []
    button = qt.QPushButton()
    button.connect("clicked(bool)", heard.append)
    button.click()
    assert heard == [False]
    button.disconnect("clicked(bool)", heard.append)
    button.click()
    assert heard == [False]
    with pytest.raises(ValueError, match="no signal pressedd"):
        button.connect("pressedd()", heard.append)


def test_single_shot_is_both_a_function_and_a_property(fresh: Any) -> None:
    import qt

    timer, heard = qt.QTimer(), []
    assert timer.singleShot is False
    timer.singleShot = True
    assert timer.singleShot is True
    qt.QTimer.singleShot(0, lambda: heard.append(1))
    assert fresh.process_until(lambda: heard == [1], 2)


def test_objects_that_qt_made_have_properties_too(fresh: Any) -> None:
    import qt

    menu, table = qt.QMenu(), qt.QTableWidget()
    action = menu.addAction("Copy log")
    assert action.text == "Copy log"
    action.enabled = False
    assert action.isEnabled() is False
    assert isinstance(table.horizontalHeader(), qt.QHeaderView)


def test_only_the_connected_selector_gets_the_scene(fresh: Any, ui: Any) -> None:
    import slicer

    fresh.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    ui.top.setMRMLScene(slicer.mrmlScene)
    assert ui.wired.mrmlScene() is slicer.mrmlScene and ui.wired.nodeCount() == 1
    assert ui.forgotten.mrmlScene() is None, "a selector without a connection must stay empty, as in Slicer"
    assert ui.views.value == 7 and ui.section.text == "Inputs"
    assert ui.wired.property("SlicerParameterName") == "inputVolume"


def test_a_widget_class_that_slicer_lacks_is_refused(fresh: Any, tmp_path: Path) -> None:
    import slicer

    path = tmp_path / "Top.ui"
    path.write_text(UI.replace("ctkCollapsibleButton", "ctkInventedButton"), encoding="utf-8")
    with pytest.raises(Exception, match=r"ctkInventedButton|loader"):
        slicer.util.loadUI(str(path))


def test_a_section_hides_its_content_when_collapsed(fresh: Any, ui: Any) -> None:
    ui.top.show()
    ui.section.collapsed = True
    fresh.process_until(lambda: False, 0.05)
    assert not ui.wired.isVisible() and ui.views.isVisible()
    ui.section.collapsed = False
    assert ui.wired.isVisible()


def test_node_selector_follows_scene_and_types(fresh: Any, ui: Any) -> None:
    ui.top.setMRMLScene(fresh.scene)
    heard: list[Any] = []
    ui.wired.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    first = fresh.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    fresh.scene.AddNewNodeByClass("vtkMRMLModelNode", "no volume")
    assert ui.wired.currentNode() is None and ui.wired.nodeCount() == 1, "None is allowed, so None stays"
    ui.wired.setCurrentNode(first)
    assert ui.wired.currentNodeID == first.GetID() and heard == [first]
    fresh.scene.RemoveNode(first)
    assert ui.wired.currentNode() is None and heard == [first, None]
    ui.wired.addAttribute("vtkMRMLScalarVolumeNode", "kind", "result")
    second = fresh.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "second")
    assert ui.wired.nodeCount() == 0
    second.SetAttribute("kind", "result")
    assert ui.wired.nodeCount() == 1
    ui.wired.setCurrentNode(second)
    assert ui.wired.currentNode() is second, "offered as soon as it has the attribute"


def test_parameter_node_binds_both_ways_and_checks_values(fresh: Any, ui: Any) -> None:
    import slicer
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    hints = {"inputVolume": slicer.vtkMRMLScalarVolumeNode, "views": typing.Annotated[int, WithinRange(1, 50)]}
    declared = type("Parameters", (), {"__annotations__": hints, "__module__": __name__, "views": 30})
    ui.views.setProperty("SlicerParameterName", "views")
    ui.top.setMRMLScene(fresh.scene)
    node = fresh.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    view = parameterNodeWrapper(declared)(node)
    tag = view.connectGui(ui)
    assert ui.views.value == 30 and ui.views.maximum == 50, "the range is the parameter node's"
    ui.views.value = 12
    assert view.views == 12 and node.GetParameter("views") == "12"
    view.views = 20
    assert ui.views.value == 20
    with pytest.raises(ValueError, match="range"):
        view.views = 51
    with pytest.raises(TypeError):
        view.views = 2.5
    volume = fresh.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    ui.wired.setCurrentNode(volume)
    assert view.inputVolume is volume and node.GetNodeReference("inputVolume") is volume
    view.disconnectGui(tag)
    ui.views.value = 33
    assert view.views == 20


@pytest.mark.parametrize("hint", [int | None, dict, complex, list])
def test_types_that_slicer_cannot_store_are_refused_at_once(fresh: Any, hint: Any) -> None:
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    holder = type("Parameters", (), {"__annotations__": {"value": hint}, "__module__": __name__})
    with pytest.raises(Exception, match="Unable to create serializer"):
        parameterNodeWrapper(holder)
