"""Fixtures of the tests that run the module on the stand-in."""

from slicer_standin.fixtures import fresh, panel, slicer_session

__all__ = ["fresh", "panel", "slicer_session"]
