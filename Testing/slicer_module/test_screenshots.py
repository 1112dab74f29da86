"""The pictures of the README can be taken again, and those that ship are what they should be."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import driving
import pytest
import screenshots
from misbehaving_engine import interpreter

SHIPPED = screenshots.ROOT / "Resources" / "Screenshots"


@pytest.mark.skipif(os.name == "nt", reason="the interpreter of this test is a shell script")
def test_every_state_of_the_panel_has_its_picture(fresh: Any, panel: Any, tmp_path: Path) -> None:
    """With an engine that gives the input back, in the order that the script takes them."""
    from CTDiffusionReconLib.engine import settings
    from PySide6 import QtGui

    settings.setValue(settings.PYTHON, interpreter(tmp_path, seconds=0.3))

    def choose(panel: Any, method: str) -> None:
        driving.choose(panel, panel._parameterNode.inputVolume, method, 30)

    def fail() -> None:
        settings.setValue(settings.PYTHON, interpreter(tmp_path, code=1, say="error: prior: the weights are damaged"))

    screenshots.take(fresh, panel, tmp_path, choose, fail)
    for name in screenshots.NAMES:
        picture = QtGui.QImage(str(tmp_path / f"{name}.png"))
        assert picture.width() >= screenshots.WIDTH and picture.height() > 300, name
        colours = {picture.pixel(x, y) for x in range(0, picture.width(), 7) for y in range(0, picture.height(), 7)}
        assert len(colours) > 20, f"{name} is blank"
    heights = {name: QtGui.QImage(str(tmp_path / f"{name}.png")).height() for name in ("panel-empty", "panel-error")}
    assert heights["panel-error"] != heights["panel-empty"]


def test_pictures_that_ship_are_complete_and_small() -> None:
    if not SHIPPED.is_dir():
        pytest.skip("no pictures yet: python Testing/slicer_module/screenshots.py --write")
    names = {path.stem for path in SHIPPED.glob("*.png")}
    assert set(screenshots.NAMES) <= names
    for path in SHIPPED.glob("*.png"):
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) < 900_000, path.name
        assert struct.unpack(">II", data[16:24])[0] >= screenshots.WIDTH
