"""The engine as Slicer finds it: its own interpreter, or the one that the user's settings name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import slicer

from . import settings
from .engine import Engine, find_engine
from .runner import Runner, SubprocessRunner

JOBS_FOLDER_NAME = "CTDiffusionRecon"


def engineOfSettings() -> Engine:
    """The engine to use now.

    Raises:
        ValueError: the interpreter in the settings does not exist, or the engine's package is missing.
    """
    if not hasattr(slicer, "app"):
        return find_engine()
    return find_engine(
        python=settings.value(settings.PYTHON) or None,
        priors=settings.priorFolders(),
        launcher=shutil.which("PythonSlicer"),
        startup_environment=slicer.util.startupEnvironment(),
    )


def jobsFolder() -> Path:
    """Where job folders are made."""
    chosen = settings.value(settings.JOBS_FOLDER) if hasattr(slicer, "app") else ""
    if chosen:
        return Path(chosen)
    if hasattr(slicer, "app"):
        return Path(slicer.app.temporaryPath) / JOBS_FOLDER_NAME
    import tempfile

    return Path(tempfile.gettempdir()) / JOBS_FOLDER_NAME


def runnerOfApplication() -> Callable[..., Runner]:
    """What makes the runner of a child: Qt's inside the application, the standard library's elsewhere."""
    if not hasattr(slicer, "app"):
        return SubprocessRunner
    from .qprocessrunner import QProcessRunner

    return QProcessRunner


def idleOfApplication() -> Callable[[], None] | None:
    """What keeps the window alive while a script waits; None where there is no window."""
    return slicer.app.processEvents if hasattr(slicer, "app") else None
