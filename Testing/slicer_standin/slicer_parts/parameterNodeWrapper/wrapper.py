"""The decorator that turns an annotated class into a typed view of a vtkMRMLScriptedModuleNode."""

import typing

import slicer
import vtk

from .connectors import Connector, connector
from .serializers import serializer, split
from .validators import Default, Validator

SlicerParameterNamePropertyName = "SlicerParameterName"
_observing: list = []


class _Parameter:
    """One declared parameter."""

    def __init__(self, owner, name, hint):
        kind, annotations = split(hint)
        try:
            self.serializer = serializer(kind)
        except Exception as problem:
            raise Exception(f"Unable to create serializer for {owner} member {name}") from problem
        self.name, self.hint = name, hint
        self.validators = [a for a in annotations if isinstance(a, Validator)]
        given = [a for a in annotations if isinstance(a, Default)]
        if name in owner.__dict__:
            self.default = Default(owner.__dict__[name])
        else:
            self.default = given[0] if given else Default(self.serializer.default())

    def write(self, node, value):
        self.serializer.check(value)
        for validator in self.validators:
            validator.validate(value)
        self.serializer.write(node, self.name, value)

    def read(self, node):
        if not self.serializer.isIn(node, self.name):
            self.write(node, self.default.value)
        return self.serializer.read(node, self.name)

    def attribute(self):
        return property(
            lambda view: self.read(view.parameterNode), lambda view, value: self.write(view.parameterNode, value)
        )


class _View:
    """What every decorated class can do."""

    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode, prefix=None):
        if prefix:
            raise TypeError("prefix is not stood in for")
        self.parameterNode = parameterNode
        self._guis, self._nextTag, self._updating = {}, 0, False
        for parameter in self._parameters.values():
            parameter.read(parameterNode)

    def _named(self, name):
        if name not in self._parameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return self._parameters[name]

    def getValue(self, name):
        return self._named(name).read(self.parameterNode)

    def setValue(self, name, value):
        self._named(name).write(self.parameterNode, value)

    def default(self, name):
        return self._named(name).default

    def isCached(self, name):
        return True

    def connectParametersToGui(self, mapping):
        for name in mapping:
            self._named(name)
        made = {n: w if isinstance(w, Connector) else connector(w, self._named(n).hint) for n, w in mapping.items()}
        tag = self._nextTag
        self._nextTag += 1
        self._guis[tag] = made
        for name, binding in made.items():
            binding.write(self.getValue(name))
            binding.onChanged(self._fromGui(name, binding))
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._toGui())
        # The node in the scene keeps calling this observer, as in Slicer; Python's garbage collector does not see that.
        _observing.append(self)
        return tag

    def connectGui(self, gui):
        isWidget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren("QWidget") if isWidget else list(gui.__dict__.values())
        named = {}
        for widget in widgets:
            name = widget.property(SlicerParameterNamePropertyName)
            if name:
                named[name] = widget
        return self.connectParametersToGui(named)

    def disconnectGui(self, guiTag):
        for binding in self._guis.pop(guiTag, {}).values():
            binding.onChanged(None)

    def _fromGui(self, name, binding):
        def callback():
            if not self._updating:
                with slicer.util.NodeModify(self):
                    self.setValue(name, binding.read())

        return callback

    def _toGui(self):
        if self._updating:
            return
        self._updating = True
        try:
            for bindings in list(self._guis.values()):
                for name, binding in bindings.items():
                    binding.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        return self.parameterNode.Modified()


def _wrap(owner):
    parameters = {}
    for name, hint in typing.get_type_hints(owner, include_extras=True).items():
        if hasattr(_View, name) or name in ("parameterNode", "allParameters", "dataType"):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        parameters[name] = _Parameter(owner, name, hint)
    for name, parameter in parameters.items():
        setattr(owner, name, parameter.attribute())
    for name, member in vars(_View).items():
        if name in ("__dict__", "__weakref__", "__module__", "__doc__"):
            continue
        if name != "__init__" and name in vars(owner):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(owner, name, member)
    owner._parameters = parameters
    owner.allParameters = parameters
    owner.dataType = staticmethod(lambda name: parameters[name].hint)
    return owner


def parameterNodeWrapper(classtype=None):
    """Class decorator, with or without parentheses."""
    if classtype is None:
        return _wrap
    return _wrap(classtype)


def isParameterNodeWrapper(classOrObj):
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)
