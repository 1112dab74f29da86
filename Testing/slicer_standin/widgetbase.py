"""What the classes that stand for C++ widgets share."""

from __future__ import annotations

import qt


def closed(kind):
    """Mark a widget class as C++ in Slicer: no new attributes on its instances."""
    kind._closed = True
    return kind


class Widget(qt.QWidget):
    def __init__(self, parent=None):
        super().__init__() if parent is None else super().__init__(parent)

    @classmethod
    def _free(cls, name):
        return name.startswith("_")
