"""What the module's files say: widgets of the .ui, names that the Python files use. Read, never executed."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "CTDiffusionRecon"
UI = MODULE / "Resources" / "UI" / "CTDiffusionRecon.ui"


def python_files() -> list[Path]:
    """The module file and its library, without the engine."""
    return [MODULE / "CTDiffusionRecon.py", *sorted((MODULE / "CTDiffusionReconLib").rglob("*.py"))]


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in python_files():
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def panel() -> ElementTree.Element:
    return ElementTree.parse(UI).getroot()


def widgets() -> dict[str, str]:
    """Name and class of every widget of the panel."""
    return {element.attrib["name"]: element.attrib["class"] for element in panel().iter("widget")}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain that begins with a plain name, else an empty text."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def chains(first: str) -> set[str]:
    """Every attribute chain of the module's files that begins with a name, such as `qt`; the longest forms only."""
    found: set[str] = set()
    for _, tree in trees():
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and id(node) not in inner and dotted(node).startswith(first + "."):
                found.add(dotted(node))
    return found


def widget_names_used() -> set[str]:
    """Names X of `ui.X`, `self.ui.X`, and texts in the code that are the name of a widget."""
    known, used = set(widgets()), set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (dotted(node.value) or "").split(".")[-1] == "ui":
                used.add(node.attr)
            elif isinstance(node, ast.Constant) and node.value in known:
                used.add(str(node.value))
            elif isinstance(node, ast.JoinedStr):
                used |= {name for name in known if _fits(node, name)}
    return used


def _fits(text: ast.JoinedStr, name: str) -> bool:
    """Whether an f-string such as f"{key}Label" can be this name."""
    ends = [part.value for part in text.values if isinstance(part, ast.Constant)]
    return len(ends) == 1 and isinstance(ends[0], str) and len(ends[0]) > 3 and name.endswith(ends[0])


def signal_texts() -> set[str]:
    """The signatures that `connect` and `disconnect` are called with."""
    found = set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if node.func.attr in ("connect", "disconnect") and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def imports() -> dict[Path, set[str]]:
    """Top-level packages that each file imports anywhere, relative imports aside."""
    found = {}
    for path, tree in trees():
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
        found[path] = names
    return found
