"""pytest fixtures: `slicer_session` once in a process, `fresh` for every test, `grab` for pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slicer_standin import bootstrap

MODULE = Path(__file__).resolve().parents[2] / "CTDiffusionRecon" / "CTDiffusionRecon.py"


@pytest.fixture(scope="session")
def slicer_session(tmp_path_factory: pytest.TempPathFactory) -> bootstrap.Session:
    """The one stand-in of this process; skips where the wheels are not installed."""
    if bootstrap.missing():
        pytest.skip(bootstrap.missing())
    return bootstrap.start(tmp_path_factory.mktemp("slicer"))


@pytest.fixture
def fresh(slicer_session: bootstrap.Session) -> Iterator[bootstrap.Session]:
    """The session with an empty scene, no scripted module and no settings, also left so."""
    _clean(slicer_session)
    yield slicer_session
    slicer_session.unload_modules()
    _clean(slicer_session)


@pytest.fixture
def panel(fresh: bootstrap.Session) -> Any:
    """The Python widget of the loaded module (`...Widget` instance), entered."""
    return fresh.load_module(MODULE)


def _clean(session: bootstrap.Session) -> None:
    import qt
    import slicer

    # The application's settings are a file of their own: a test must not find the interpreter of the one before.
    slicer.app.userSettings().clear()
    qt.QSettings().clear()
    session.fresh()
    session.qt_messages.clear()
