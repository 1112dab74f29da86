"""`import qt` as PythonQt offers it: real Qt 6 classes whose properties are values and whose signals connect by text.

Differences of PythonQt from PySide that the classes here reproduce:
  * a Q_PROPERTY is a value, `button.text = "Apply"`; `button.text()` fails because a str is not callable;
  * `button.connect("clicked(bool)", function)`; an unknown signal is an error here (PythonQt only returns False);
  * a new attribute cannot be put on a Qt object, only on instances of a class derived from it in Python;
  * no keyword arguments in constructors, no snake_case, `name` is another word for `objectName`.
"""

from __future__ import annotations

import types
import xml.etree.ElementTree as ElementTree

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

_SOURCES = (QtCore, QtGui, QtWidgets, QtUiTools, QtNetwork)
_GETTERS = {
    "isActiveWindow": "isActiveWindow",
    "focus": "hasFocus",
    "default": "isDefault",
    "singleShot": "isSingleShot",
}
# Methods that hand out objects which Qt made itself; the results become classes of this module.
_FACTORIES = {
    "QObject": ("children", "parent", "findChild", "findChildren", "sender"),
    "QWidget": ("layout", "parentWidget", "window", "actions", "addAction", "focusWidget", "childAt"),
    "QMenu": ("addMenu", "addSection", "addSeparator", "menuAction"),
    "QToolBar": ("addWidget", "addSeparator"),
    "QAction": ("menu",),
    "QDialogButtonBox": ("addButton", "button", "buttons"),
    "QMessageBox": ("addButton", "button"),
    "QTableView": ("horizontalHeader", "verticalHeader"),
    "QTreeView": ("header",),
    "QTableWidget": ("cellWidget",),
    "QAbstractItemView": ("model", "selectionModel"),
    "QAbstractScrollArea": ("verticalScrollBar", "horizontalScrollBar", "viewport"),
    "QScrollArea": ("widget",),
    "QTextEdit": ("document",),
    "QPlainTextEdit": ("document",),
    "QSplitter": ("widget",),
    "QStackedWidget": ("widget", "currentWidget"),
    "QTabWidget": ("widget", "currentWidget", "tabBar"),
    "QComboBox": ("lineEdit", "view", "model", "completer"),
    "QBoxLayout": (),
    "QFormLayout": ("labelForField",),
    "QButtonGroup": ("button", "buttons", "checkedButton"),
    "QApplication": ("topLevelWidgets", "allWidgets", "activeWindow", "focusWidget", "clipboard", "instance"),
}
_made: dict[str, type] = {}
_adopted: list = []
# A wrapper whose class was changed must not be collected before Qt's object is: PySide would take it for its own.
_adopted: list = []


class _Meta(type(QtCore.QObject)):
    """isinstance and issubclass follow the Qt class, so that qt.QPushButton is a qt.QWidget."""

    def __instancecheck__(cls, instance):
        own = cls.__dict__.get("_qtClass")
        return isinstance(instance, own) if own else type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, other):
        own = cls.__dict__.get("_qtClass")
        return issubclass(other, own) if own else type.__subclasscheck__(cls, other)


def _is_qt(kind):
    return kind.__module__.startswith("PySide6.")


def adopt(thing):
    """Give an object that Qt made the class of this module; anything else is passed through."""
    if isinstance(thing, (list, tuple)):
        return type(thing)(adopt(item) for item in thing)
    # A widget that Python made keeps its class: changing it under connected signals crashes PySide.
    if isinstance(thing, QtCore.QObject) and _is_qt(type(thing)) and not shiboken6.createdByPython(thing):
        ours = _class(type(thing).__name__)
        if ours is not None:
            thing.__class__ = ours
            for name in ("connect", "disconnect"):  # PySide looks for these two in an object's own dictionary first
                thing.__dict__[name] = types.MethodType(getattr(_PythonQt, name), thing)
            _adopted.append(thing)  # PySide must not make a second Python object for it
    return thing


class _PythonQt:
    """What PythonQt adds to every QObject."""

    def __init__(self, *args):
        super().__init__(*args)

    def __setattr__(self, name, value):
        here = next((kind.__dict__[name] for kind in type(self).__mro__ if name in kind.__dict__), None)
        if (
            isinstance(here, QtCore.Property)
            or hasattr(here, "__set__")
            or not getattr(type(self), "_closed", False)
            or type(self)._free(name)
        ):
            return super().__setattr__(name, value)
        problem = "is not a property and cannot be set" if here is not None else "does not exist"
        raise AttributeError(f"{type(self).__name__}.{name} {problem}: PythonQt puts no new attributes on Qt objects")

    @classmethod
    def _free(cls, name):
        return name.startswith("_standin")

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._closed = False  # a class derived in Python takes any attribute
        for name in ("connect", "disconnect"):  # PySide looks for these two in the very class only
            if not isinstance(cls.__dict__.get(name), types.FunctionType):
                setattr(cls, name, getattr(_PythonQt, name))

    # signals ----------------------------------------------------------------------------------------------------
    def _bind(self, action, signature, receiver):
        """Connect or disconnect a signal that exists, else an error."""
        if not callable(receiver):
            raise TypeError(f"{signature}: the receiver is not callable")
        name = getattr(type(self), "slicerSignals", {}).get(signature.replace(" ", ""))
        if name:
            return bool(getattr(getattr(self, name), action)(receiver))
        normal = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
        if self.metaObject().indexOfSignal(normal) < 0:
            raise ValueError(f"{self.className()} has no signal {signature}")
        name = normal.partition("(")[0]
        if any(isinstance(kind.__dict__.get(name), QtCore.Signal) for kind in type(self).__mro__ if not _is_qt(kind)):
            return bool(getattr(getattr(self, name), action)(receiver))
        return bool(getattr(QtCore.QObject, action)(self, QtCore.SIGNAL(normal), receiver))

    # `button.clicked.connect(f)` of PySide comes here too, with the sender first.
    def connect(self, *args):
        return QtCore.QObject.connect(*args) if args and args[0] is self else self._bind("connect", *args)

    def disconnect(self, *args):
        if not args or args[0] is self:
            return QtCore.QObject.disconnect(*(args or (self,)))
        return self._bind("disconnect", *args)

    # names ------------------------------------------------------------------------------------------------------
    @property
    def name(self):
        return QtCore.QObject.objectName(self)

    @name.setter
    def name(self, value):
        QtCore.QObject.setObjectName(self, value)

    def className(self):
        return self.metaObject().className()

    def delete(self):
        self.deleteLater()

    def setProperty(self, name, value):
        return super().setProperty(name, value)


def _property(base, name, kind):
    """The value attribute of one Q_PROPERTY: read by its getter where it has one, written by its setter."""
    capital = name[0].upper() + name[1:]
    getter = next(
        (g for g in (_GETTERS.get(name, name), "is" + capital, "has" + capital) if callable(getattr(base, g, None))),
        None,
    )
    if issubclass(base, QtCore.QCoreApplication):
        getter = None  # its getters are static functions
    setter = getattr(base, "set" + capital, None)

    def read(self):
        value = getattr(base, getter)(self) if getter else QtCore.QObject.property(self, name)
        return adopt(value)

    def write(self, value):
        if kind == "bool":
            value = bool(value)
        elif kind == "QString" and value is not None and not isinstance(value, str):
            value = str(value)
        if setter is not None:
            setter(self, value)
        elif not QtCore.QObject.setProperty(self, name, value):
            raise AttributeError(f"{base.__name__}.{name} is read only")

    return property(read, write)


class _SingleShot:
    """QTimer.singleShot is a static function of the class and a property of a timer."""

    def __get__(self, timer, owner=None):
        return QtCore.QTimer.singleShot if timer is None else QtCore.QTimer.isSingleShot(timer)

    def __set__(self, timer, value):
        timer.setSingleShot(bool(value))


def _factory(method):
    def call(self, *args):
        return adopt(method(self, *args))

    return call


def _static_factory(method):
    def call(*args):
        return adopt(method(*args))

    return staticmethod(call)


def _find_class(base, wanted):
    """PythonQt's findChildren takes a class of this module or its name."""
    if isinstance(wanted, str):
        wanted = _class(wanted)
    return getattr(wanted, "_qtClass", wanted)


def _class(name):
    if name in _made:
        return _made[name]
    base = next((getattr(source, name) for source in _SOURCES if hasattr(source, name)), None)
    if not (isinstance(base, type) and issubclass(base, QtCore.QObject)):
        return None
    members: dict = {"_qtClass": base, "__module__": "qt", "__qualname__": name}
    meta = base.staticMetaObject
    for index in range(meta.propertyCount()):
        entry = meta.property(index)
        members[entry.name()] = _property(base, entry.name(), entry.typeName())
    for parent in reversed(base.__mro__):
        for method in _FACTORIES.get(parent.__name__, ()):
            if parent is QtWidgets.QApplication:
                members[method] = _static_factory(getattr(base, method))
            elif hasattr(base, method):
                members[method] = _factory(getattr(base, method))
    members["findChildren"] = lambda self, kind, *rest: [
        adopt(child) for child in base.findChildren(self, _find_class(base, kind), *rest)
    ]
    members["findChild"] = lambda self, kind, *rest: adopt(base.findChild(self, _find_class(base, kind), *rest))
    # PySide looks for these two in its own classes alone and would pass the mixin by.
    members["connect"], members["disconnect"] = _PythonQt.connect, _PythonQt.disconnect
    if name == "QTimer":
        members["singleShot"] = _SingleShot()
    made = _Meta(name, (_PythonQt, base), members)
    made._closed = True
    _made[name] = made
    return made


def __getattr__(name):
    if not name.startswith("Q"):
        raise AttributeError(f"module 'qt' has no attribute {name!r}")
    if name == "QUiLoader":
        return _ui_loader()
    ours = _class(name)
    if ours is not None:
        return ours
    for source in _SOURCES:
        if hasattr(source, name):
            return getattr(source, name)
    raise AttributeError(f"module 'qt' has no attribute {name!r}")


# .ui files ------------------------------------------------------------------------------------------------------
class _Loader(QtUiTools.QUiLoader):
    """Makes the widgets of a .ui file in Python and honours its connections that carry a MRML scene."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def createWidget(self, className, parent=None, name=""):
        made = _widget_class(className)(parent) if parent is not None else _widget_class(className)()
        made.setObjectName(name)
        self.kept.append(made)
        return made


def _widget_class(name):
    import ctk
    import slicer

    for place in (slicer, ctk):
        if isinstance(getattr(place, name, None), type):
            return getattr(place, name)
    found = _class(name)
    if found is None:
        raise RuntimeError(f"the .ui file names the widget class {name}, which Qt, CTK and MRML do not have")
    return found


def _ui_loader():
    class QUiLoader:
        """`load(file)` of Qt's loader."""

        def load(self, file, parent=None):
            document = ElementTree.fromstring(bytes(file.readAll().data()).decode("utf-8"))
            connections = document.find("connections")
            mrml = []
            for entry in list(connections if connections is not None else ()):
                if "vtkMRML" in (entry.findtext("signal") or ""):
                    mrml.append([entry.findtext(part) for part in ("sender", "signal", "receiver", "slot")])
                    connections.remove(entry)
            loader = _Loader()
            buffer = QtCore.QBuffer()
            buffer.setData(ElementTree.tostring(document, encoding="utf-8"))
            buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
            widget = loader.load(buffer, parent)
            if widget is None:
                return None
            widget._standinKept = loader.kept
            byName = {item.objectName: item for item in loader.kept}
            for sender, signal, receiver, slot in mrml:
                byName[sender].connect(signal, getattr(byName[receiver], slot.split("(")[0]))
            return widget

    return QUiLoader
