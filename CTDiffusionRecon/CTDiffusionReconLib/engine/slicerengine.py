"""The engine as Slicer finds it: its own interpreter, or the one that the user's settings name."""

import os
import shutil
import stat
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


def scenesKeepPaths() -> bool:
    """Whether the user asked for absolute paths in the attributes of nodes, and so in saved scenes."""
    return hasattr(slicer, "app") and settings.value(settings.SAVE_PATHS) == "true"


def findJobFolder(name: str) -> Path:
    """The job folder that a node names; a path, as scenes of earlier versions have it, is taken as it is.

    Raises:
        ValueError: a name that leads out of the folder of all jobs.
    """
    path = Path(name)
    if path.is_absolute():
        return path
    if path.name != name or name in (".", ".."):
        raise ValueError(f"job folder: expected a name, got {name!r}")
    return jobsFolder() / name


def privateJobsFolder() -> Path:
    """Where job folders are made, made itself where it is missing: for this user alone.

    Raises:
        OSError: it cannot be made, or in the system's own temporary folder somebody else has made it.
    """
    root = jobsFolder()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(root)
    chosen = settings.value(settings.JOBS_FOLDER) if hasattr(slicer, "app") else ""
    if not chosen and hasattr(os, "getuid") and (stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid()):
        raise OSError(f"{root}: belongs to somebody else; choose another folder for jobs in the settings")
    return root


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
