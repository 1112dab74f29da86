"""The module's files agree with each other and name only what the real Slicer has; nothing is run in Slicer here."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sources
from ctdiffusion.jobs.tasks import TASKS
from CTDiffusionReconLib.scene.fields import node_fields
from slicer_standin import bootstrap

needs_slicer = pytest.mark.skipif(bool(bootstrap.missing()), reason=bootstrap.missing() or "there")

# Widget classes of the real Slicer that a .ui file may name, with the slots and properties that they bring.
SLICER_WIDGETS = {
    "qMRMLWidget", "qMRMLNodeComboBox", "qMRMLCheckableNodeComboBox", "qMRMLSliderWidget", "qMRMLSegmentSelectorWidget",
    "qMRMLTableView", "ctkCollapsibleButton", "ctkCollapsibleGroupBox", "ctkSliderWidget", "ctkRangeWidget",
    "ctkDoubleSpinBox", "ctkPathLineEdit", "ctkDirectoryButton", "ctkComboBox", "ctkCheckBox", "ctkFittedTextBrowser",
}  # fmt: skip
# Attributes of `slicer.app` (qSlicerApplication and its bases) that scripts may use.
APP = {
    "aboutToQuit", "applicationLogic", "applicationName", "applicationVersion", "arch", "cachePath", "clipboard",
    "commandOptions", "connect", "coreIOManager", "disconnect", "documentationBaseUrl", "extensionsInstallPath",
    "ioManager",
    "layoutManager", "majorVersion", "minorVersion", "moduleManager", "mrmlScene", "os", "pauseRender", "processEvents",
    "pythonManager", "resumeRender", "revision", "settings", "setOverrideCursor", "restoreOverrideCursor", "slicerHome",
    "startupEnvironment", "temporaryPath", "testingEnabled", "topLevelWidgets", "translate", "userSettings",
}  # fmt: skip
# Names in the package `slicer` that are not in slicer-core.
SLICER = {
    "app", "mrmlScene", "modules", "util", "packaging", "i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "cli",
} | {name for name in SLICER_WIDGETS if name.startswith("q")}  # fmt: skip
SIGNALS = {
    "currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)", "checkedNodesChanged()", "layoutChanged(int)",
    "mrmlSceneChanged(vtkMRMLScene*)",
    "contentsCollapsed(bool)", "currentPathChanged(QString)", "directoryChanged(QString)", "startupCompleted()",
    "valuesChanged(double,double)", "valueChanged(double)", "aboutToQuit()", "moduleAboutToBeUnloaded(QString)",
}  # fmt: skip
HEAVY = {"torch", "monai", "numba", "scipy", "skimage", "matplotlib", "SimpleITK", "safetensors", "h5py"}


def written_parameters() -> set[str]:
    """Parameters that the class of the parameter node lists itself."""
    path = sources.MODULE / "CTDiffusionReconLib" / "scene" / "parameternode.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("ParameterNode"):
            return {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}  # type: ignore[union-attr]
    raise AssertionError("no parameter node class")


def parameter_names() -> set[str]:
    """All of them: those of the engine's fields too, which are made from the schema."""
    return written_parameters() | {field.name for task in TASKS for field in node_fields(task)}


def test_every_widget_that_the_code_names_is_in_the_panel() -> None:
    assert sources.widget_names_used() - set(sources.widgets()) == set()


def test_every_control_of_the_panel_is_used() -> None:
    bound = {
        element.attrib["name"]
        for element in sources.panel().iter("widget")
        if any(item.get("name") == "SlicerParameterName" for item in element.findall("property"))
    }
    still = {"QLabel", "QWidget", "QFrame", "QGroupBox", "ctkCollapsibleButton", "qMRMLWidget", "QScrollArea"}
    controls = {name for name, kind in sources.widgets().items() if kind not in still}
    assert controls - sources.widget_names_used() - bound == set()


def test_every_bound_widget_names_a_parameter_and_each_only_once() -> None:
    bound = [
        item.findtext("string")
        for element in sources.panel().iter("widget")
        for item in element.findall("property")
        if item.get("name") == "SlicerParameterName"
    ]
    assert set(bound) <= parameter_names()
    assert len(bound) == len(set(bound))


def test_every_parameter_is_used() -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in sources.python_files() if p.name != "parameternode.py")
    bound = sources.UI.read_text(encoding="utf-8")
    unused = {name for name in written_parameters() if not re.search(rf"\b{name}\b", text) and f">{name}<" not in bound}
    assert unused == set()


def test_every_selector_gets_the_scene() -> None:
    top = sources.panel().find("widget")
    assert top is not None and top.attrib["class"] == "qMRMLWidget"
    wired = {
        entry.findtext("receiver")
        for entry in sources.panel().iter("connection")
        if entry.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and entry.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
        and entry.findtext("sender") == top.attrib["name"]
    }
    needing = {name for name, kind in sources.widgets().items() if kind.startswith("qMRML")} - {top.attrib["name"]}
    assert needing - wired == set()


def test_connections_name_widgets_that_exist() -> None:
    names = set(sources.widgets())
    for entry in sources.panel().iter("connection"):
        assert {entry.findtext("sender"), entry.findtext("receiver")} <= names


def test_widget_classes_are_declared_and_real() -> None:
    used = {kind for kind in sources.widgets().values() if not kind.startswith("Q")}
    declared = {entry.findtext("class") for entry in sources.panel().iter("customwidget")}
    assert used <= SLICER_WIDGETS, "a class that Slicer does not have"
    assert used == declared, "Qt Designer declares each custom class once"


def test_inputs_of_the_panel_explain_themselves() -> None:
    silent = []
    for element in sources.panel().iter("widget"):
        control = element.attrib["class"].endswith(("ComboBox", "SpinBox", "LineEdit", "CheckBox", "Button", "Slider"))
        if control and element.attrib["class"] != "ctkCollapsibleButton":
            tip = next((p.findtext("string") for p in element.findall("property") if p.get("name") == "toolTip"), "")
            if not tip:
                silent.append(element.attrib["name"])
    assert silent == [], "no tooltip"


def test_layouts_have_unique_names() -> None:
    names = [element.attrib["name"] for kind in ("widget", "layout") for element in sources.panel().iter(kind)]
    assert len(names) == len(set(names))


def test_no_file_of_the_module_imports_what_only_the_engine_needs() -> None:
    for path, names in sources.imports().items():
        assert names & HEAVY == set(), path.name


def test_rooms_import_downwards_only() -> None:
    rooms = ("engine", "queue", "scene", "panel")
    for path, tree in sources.trees():
        if path.parent.name not in rooms:
            continue
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
                room = node.module.partition(".")[0]
                assert rooms.index(room) < rooms.index(path.parent.name), f"{path.name} imports {node.module}"


@needs_slicer
def test_only_names_that_qt_has() -> None:
    from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets

    for chain in sources.chains("qt"):
        name, *rest = chain.split(".")[1:]
        found = next((getattr(m, name) for m in (QtCore, QtGui, QtWidgets, QtNetwork) if hasattr(m, name)), None)
        assert found is not None and name.startswith("Q"), f"{chain}: qt has no {name}"
        for position, part in enumerate(rest):
            assert hasattr(found, part), chain
            found = getattr(found, part)
            isEnumClass = isinstance(found, type) and hasattr(found, "__members__")
            assert not (isEnumClass and position < len(rest) - 1), f"{chain}: PythonQt knows the short form only"


@needs_slicer
def test_only_names_that_slicer_has() -> None:
    import slicer_core

    real = set(dir(slicer_core))
    util = Path(bootstrap.importlib.util.find_spec("slicer").origin).with_name("util.py")  # type: ignore[union-attr,arg-type]
    functions = {
        node.name
        for node in ast.parse(util.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for chain in sources.chains("slicer"):
        name, *rest = chain.split(".")[1:]
        assert name in SLICER or name in real, f"{chain}: slicer has no {name}"
        if name == "util" and rest:
            assert rest[0] in functions, chain
        if name == "app" and rest:
            assert rest[0] in APP, chain


@needs_slicer
def test_only_signals_that_exist() -> None:
    from PySide6 import QtCore, QtGui, QtWidgets

    known = set(SIGNALS)
    for place in (QtCore, QtGui, QtWidgets):
        for thing in [getattr(place, name) for name in dir(place)]:
            if isinstance(thing, type) and issubclass(thing, QtCore.QObject) and hasattr(thing, "staticMetaObject"):
                meta = thing.staticMetaObject
                for index in range(meta.methodCount()):
                    if meta.method(index).methodType() == QtCore.QMetaMethod.MethodType.Signal:
                        known.add(bytes(meta.method(index).methodSignature().data()).decode())
    assert sources.signal_texts() - known == set()


@needs_slicer
def test_import_is_light_and_quick(tmp_path: Path) -> None:
    """In a process of its own, with Slicer already there, as when Slicer loads its modules at start-up."""
    code = (
        "import sys, time, pathlib\n"
        "sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from slicer_standin import bootstrap\n"
        "bootstrap.start(pathlib.Path(sys.argv[3]))\n"
        "import slicer.ScriptedLoadableModule, slicer.parameterNodeWrapper, slicer.i18n, slicer.util, ctk\n"
        "before = {n.partition('.')[0] for n in sys.modules}; began = time.process_time()\n"
        "import CTDiffusionRecon\n"
        "print(time.process_time() - began, flush=True)\n"
        "print(*sorted({n.partition('.')[0] for n in sys.modules} - before), flush=True)\n"
        "import os; os._exit(0)\n"
    )
    testing = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", code, str(testing), str(sources.MODULE), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    times = []
    for _ in range(2):  # the first one compiles
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        seconds, packages = done.stdout.splitlines()[-2:]
        times.append(float(seconds))
        assert set(packages.split()) & (HEAVY | {"numpy"}) == set()
    assert min(times) < 0.4


@needs_slicer
def test_the_panel_opens_where_there_is_no_torch(tmp_path: Path) -> None:
    """Nor anything else that only the engine needs: importing it is an error, as before the first installation."""
    code = (
        "import sys, pathlib\n"
        f"heavy = {HEAVY!r}\n"
        "class Refusing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in heavy:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refusing())\n"
        "sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from slicer_standin import bootstrap\n"
        "session = bootstrap.start(pathlib.Path(sys.argv[3]))\n"
        "panel = session.load_module(pathlib.Path(sys.argv[2]) / 'CTDiffusionRecon.py')\n"
        "panel.enter()\n"
        "import slicer, numpy\n"
        "from ctdiffusion.core.plugins import left_out\nfrom ctdiffusion.methods.registry import methods\n"
        "volume = slicer.util.addVolumeFromArray(numpy.zeros((4, 32, 32), numpy.float32), name='CT')\n"
        "panel._parameterNode.inputVolume = volume\n"
        "for name in methods():\n"
        "    panel._parameterNode.method = name\n"
        "estimate = panel.logic.estimate(volume, 'fbp', geometry='cone', views=7)\n"
        "print(len(methods()), len(left_out()), estimate.seconds > 0, panel.ui.methodComboBox.count)\n"
        "print(sorted(heavy & set(sys.modules)), flush=True)\n"
        "import os; os._exit(0)\n"
    )
    testing = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", code, str(testing), str(sources.MODULE), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    facts, modules = done.stdout.splitlines()[-2:]
    count, missing, estimated, shown = facts.split()
    assert int(count) > 10 and (missing, estimated, shown) == ("0", "True", count)
    assert modules == "[]"
