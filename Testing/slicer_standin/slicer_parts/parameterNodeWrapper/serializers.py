"""How a value of a declared type is kept as text in a vtkMRMLScriptedModuleNode."""

import enum
import pathlib
import types
import typing

import slicer

PATHS = (pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath)
PATHS += (pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath)


def split(annotated):
    """The type and the annotations of a hint."""
    parts = typing.get_args(typing.Annotated[annotated, "end"])
    return parts[0], list(parts[1:-1])


class Text:
    """A value that is one text: type check, to text, from text, default."""

    def __init__(self, accepts, write, read, default):
        self.accepts, self.toText, self.fromText, self.initial = accepts, write, read, default

    def check(self, value):
        if value is None:
            raise ValueError("Value must not be None")
        if not isinstance(value, self.accepts):
            raise TypeError(f"Value must be of type '{self.accepts}', is type '{type(value)}' value '{value}'")

    def isIn(self, node, name):
        return node.HasParameter(name)

    def write(self, node, name, value):
        self.check(value)
        node.SetParameter(name, self.toText(value))

    def read(self, node, name):
        return self.fromText(node.GetParameter(name))

    def remove(self, node, name):
        node.UnsetParameter(name)

    def default(self):
        return self.initial() if callable(self.initial) else self.initial


class Node:
    """A MRML node: a reference of the parameter node, hence it follows renamed IDs and goes when the node goes."""

    def __init__(self, kind):
        self.kind = kind

    def check(self, value):
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(f"Value must be of type '{self.kind}', is type '{type(value)}' value '{value}'")

    def isIn(self, node, name):
        return node.HasParameter(name)

    def write(self, node, name, value):
        self.check(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name):
        return node.GetNodeReference(name)

    def remove(self, node, name):
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)

    def default(self):
        return None


class List:
    """A list: its length and one entry each. Changing what `read` returns in place is not stored: assign a new list."""

    def __init__(self, item):
        self.item = item

    def check(self, value):
        for entry in value:
            self.item.check(entry)

    def isIn(self, node, name):
        return node.HasParameter(f"{name}_len")

    def write(self, node, name, value):
        self.check(value)
        with slicer.util.NodeModify(node):
            before = int(node.GetParameter(f"{name}_len")) if self.isIn(node, name) else 0
            for index, entry in enumerate(value):
                self.item.write(node, f"{name}_{index}", entry)
            node.SetParameter(f"{name}_len", str(len(value)))
            for index in range(len(value), before):
                self.item.remove(node, f"{name}_{index}")

    def read(self, node, name):
        return [self.item.read(node, f"{name}_{index}") for index in range(int(node.GetParameter(f"{name}_len")))]

    def remove(self, node, name):
        for index in range(len(self.read(node, name))):
            self.item.remove(node, f"{name}_{index}")
        node.UnsetParameter(f"{name}_len")

    def default(self):
        return []


def _enum(kind):
    return Text(kind, lambda value: value.name, lambda text: kind[text], lambda: next(iter(kind)))


def serializer(kind):
    """The way to store a type, else TypeError as early as Slicer raises it: when the class is declared."""
    kind, annotations = split(kind)
    if annotations and typing.get_origin(kind) is None:
        raise TypeError(f"nested annotations are not stood in for: {kind}")
    if kind is bool:
        return Text(bool, lambda value: "True" if value else "False", lambda text: text == "True", False)
    if kind is int:
        return Text(int, str, int, 0)
    if kind is float:
        return Text((int, float), str, float, 0)
    if kind is str:
        return Text(str, str, str, "")
    if kind in PATHS:
        return Text(kind, str, kind, kind)
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and issubclass(kind, enum.Enum):
        return _enum(kind)
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and issubclass(kind, slicer.vtkMRMLNode):
        return Node(kind)
    if typing.get_origin(kind) is list:
        return List(serializer(typing.get_args(kind)[0]))
    raise TypeError(f"Unable to create serializer for type: {kind} (Slicer takes typing.Union, never `A | B`)")
