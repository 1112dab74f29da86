"""Where the tests find the shared data sets, which are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared(relative: str) -> Path:
    """Path of a shared file; skips the calling test where it is absent."""
    root = os.environ.get("CTDIFFUSION_SHARED")
    folder = Path(root) if root else Path(__file__).resolve().parents[2] / "shared"
    path = folder / relative
    if not path.exists():
        pytest.skip(f"shared data {relative} is not here (set CTDIFFUSION_SHARED to its folder)")
    return path
