"""One session of the stand-in for Slicer, with an empty scene for every test that asks for it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def session(tmp_path_factory):
    """The real MRML core in this process; skips where it is not installed."""
    from slicer_standin import bootstrap

    if bootstrap.missing():
        pytest.skip(bootstrap.missing())
    return bootstrap.start(tmp_path_factory.mktemp("slicer"))


@pytest.fixture
def scene(session):
    """An empty scene."""
    session.fresh()
    yield session.scene
    session.fresh()
