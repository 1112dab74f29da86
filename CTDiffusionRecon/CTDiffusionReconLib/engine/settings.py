"""Settings of this computer, which are no part of a scene: device, folders of priors, interpreter, job folders."""

import slicer

PREFIX = "CTDiffusionRecon"
DEVICE = "Device"
PRIOR_FOLDERS = "PriorFolders"
PYTHON = "Python"
JOBS_FOLDER = "JobsFolder"
WHEELS_FOLDER = "WheelsFolder"
# "true": scenes keep absolute paths of inputs and job folders.
SAVE_PATHS = "SavePaths"
PROJECTION_FILES = "ProjectionFiles"


def value(name: str, default: str = "") -> str:
    """A setting as text."""
    return str(slicer.app.userSettings().value(f"{PREFIX}/{name}", default) or default)


def setValue(name: str, text: str) -> None:
    """Keep a setting."""
    slicer.app.userSettings().setValue(f"{PREFIX}/{name}", text)


def priorFolders() -> tuple[str, ...]:
    """Folders with prior packs that the user named."""
    return tuple(folder for folder in value(PRIOR_FOLDERS).split("|") if folder)


def addPriorFolder(folder: str) -> None:
    """Name one more folder with prior packs."""
    known = [item for item in priorFolders() if item != folder]
    setValue(PRIOR_FOLDERS, "|".join([*known, folder]))
