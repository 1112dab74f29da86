"""slicer.packaging (Slicer 5.12): checks are real, an installation is handed to `python -m pip` as Slicer does it."""

import importlib.metadata
import logging
import os

import slicer
from packaging.requirements import Requirement


def load_requirements(path):
    """Requirements of a file, without comments and pip options."""
    with open(path) as file:
        lines = [line.strip() for line in file]
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def _requirements(given):
    if isinstance(given, (str, Requirement)):
        given = given.split() if isinstance(given, str) and ";" not in given else [given]
    return [item if isinstance(item, Requirement) else Requirement(item) for item in given]


def pip_check(req):
    """Whether all requirements are met; those of another platform are."""
    for item in _requirements(req):
        if item.marker is not None and not item.marker.evaluate():
            continue
        try:
            if importlib.metadata.version(item.name) not in item.specifier:
                return False
        except importlib.metadata.PackageNotFoundError:
            return False
    return True


def isPipInstallInProgress():
    return False


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Ask, then install what is missing. RuntimeError if the user declines; nothing at all in testing mode."""
    missing = [item for item in _requirements(requirements) if not pip_check(item)]
    if not missing:
        return None
    if skip_in_testing and slicer.app.testingEnabled():
        logging.info(f"Testing mode is enabled: skipping pip_ensure for {[str(item) for item in missing]}")
        return None
    if prompt_install:
        details = "\n".join(f"- {item}" for item in missing)
        text = f"{len(missing)} Python packages need to be installed. Continue?"
        if not slicer.util.confirmOkCancelDisplay(text, requester or "Install Python Packages", detailedText=details):
            raise RuntimeError("User declined package installation")
    return pip_install(
        [str(item) for item in missing], constraints, None, skip_packages, True, show_progress, requester
    )


def pip_install(
    requirements,
    constraints=None,
    no_deps_requirements=None,
    skip_packages=None,
    blocking=True,
    show_progress=True,
    requester=None,
    parent=None,
    logCallback=None,
    completedCallback=None,
):
    """`python -m pip install`; CalledProcessError when it fails."""
    arguments = requirements.split() if isinstance(requirements, str) else list(requirements)
    if constraints is not None:
        arguments += ["-c", os.fspath(constraints)]
    slicer.util.executePythonModule("pip", ["install", *arguments], blocking, logCallback, completedCallback)


def pip_uninstall(requirements, blocking=True, logCallback=None, completedCallback=None):
    """`python -m pip uninstall`."""
    names = requirements.split() if isinstance(requirements, str) else list(requirements)
    slicer.util.executePythonModule("pip", ["uninstall", *names, "--yes"], blocking, logCallback, completedCallback)
