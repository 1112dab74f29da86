"""Pictures of widgets and views."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def widget(thing: Any, path: Path, width: int = 0, height: int = 0) -> Path:
    """Save a widget as PNG, resized first where a size is given."""
    from PySide6 import QtWidgets

    if width or height:
        hint = QtWidgets.QWidget.sizeHint(thing)
        thing.resize(width or hint.width(), height or hint.height())
    thing.show()
    for _ in range(4):
        QtWidgets.QApplication.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not QtWidgets.QWidget.grab(thing).save(str(path)):
        raise OSError(f"cannot write {path}")
    return path


def views(session: Any, path: Path, width: int = 1200, height: int = 800) -> Path:
    """Save all views of the present layout as PNG."""
    viewport = session.app.layoutManager().viewport()
    viewport.resize(width, height)
    viewport.show()
    session.process_until(lambda: False, 0.3)
    for name in session.app.layoutManager().sliceViewNames():
        view = session.app.layoutManager().sliceWidget(name)
        if view is not None and view.isVisible():
            view.redraw()
    return widget(viewport, path)
