"""Where methods are looked for, and how often."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ctdiffusion.methods import registry

PLUGIN = """
from ctdiffusion.methods.registry import Method, method_named, register

register(Method("late", "Late", "Came later.", "none", method_named("fbp").parameters, run=print))
"""


def test_methods_are_looked_for_once_in_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.methods()
    monkeypatch.setattr(registry, "_sources", lambda: pytest.fail("looked for again"))
    assert registry.methods() == known


def test_and_again_where_there_are_new_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "late" not in registry.methods()
    (tmp_path / "late_method.py").write_text(PLUGIN, encoding="utf-8")
    facts = tmp_path / "late_method-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: late-method\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text("[ctdiffusion.methods]\nlate = late_method\n", encoding="utf-8")
    for name in ("_METHODS", "_SEARCHED", "_PLACES"):
        monkeypatch.setattr(registry, name, type(getattr(registry, name))(getattr(registry, name)))
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert registry.methods()["late"].title == "Late"
    finally:
        sys.modules.pop("late_method", None)
