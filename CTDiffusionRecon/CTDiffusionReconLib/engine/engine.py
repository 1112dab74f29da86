"""Where the engine is and how it is called: interpreter, package, command lines, environment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# An environment for another interpreter must not carry what belongs to ours.
_OF_AN_INTERPRETER = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Engine:
    """An interpreter that can run the engine.

    Attributes:
        python: the interpreter, or Slicer's launcher of it.
        package: folder that holds the package `ctdiffusion`.
        priors: folders searched for prior packs before those that ship.
        base: environment that the child's starts from; never changed.
        foreign: whether the interpreter is neither Slicer's nor the running one.
    """

    python: str
    package: Path
    priors: tuple[str, ...]
    base: Mapping[str, str]
    foreign: bool = False

    def command(self, *arguments: str | Path) -> list[str]:
        """Command line of an engine command, such as `command("devices", "--json")`."""
        return [self.python, "-m", "ctdiffusion", *map(str, arguments)]

    def worker(self, folder: Path, resume: bool = False) -> list[str]:
        """Command line that runs a job folder and stops when its standard input closes."""
        more = ["--resume"] if resume else []
        return [self.python, "-m", "ctdiffusion.jobs.worker", str(folder), "--watch-stdin", *more]

    def script(self, code: str) -> list[str]:
        """Command line that runs a few lines of Python in the engine's interpreter."""
        return [self.python, "-c", code]

    def environment(self) -> dict[str, str]:
        """Environment of the child, as a new dictionary."""
        values = {name: value for name, value in self.base.items() if name}
        if self.foreign:
            for name in _OF_AN_INTERPRETER:
                values.pop(name, None)
        path = [str(self.package), values.get("PYTHONPATH", "")]
        values["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
        values["PYTHONUTF8"] = "1"
        values["PYTHONUNBUFFERED"] = "1"
        priors = [*self.priors, values.get("CTDIFFUSION_PRIORS", "")]
        values["CTDIFFUSION_PRIORS"] = os.pathsep.join(part for part in priors if part)
        return values


def package_folder() -> Path:
    """The folder that holds `ctdiffusion`: beside this library, in the source tree and once installed."""
    return Path(__file__).resolve().parents[2]


def find_engine(
    python: str | None = None,
    priors: tuple[str, ...] = (),
    launcher: str | None = None,
    startup_environment: Mapping[str, str] | None = None,
) -> Engine:
    """The engine to use.

    Args:
        python: interpreter that the user chose; None takes Slicer's own, or the running one outside of Slicer.
        priors: folders with prior packs that the user chose.
        launcher: Slicer's `PythonSlicer`, inside Slicer.
        startup_environment: the environment before Slicer's launcher changed it, inside Slicer.

    Raises:
        ValueError: the chosen interpreter does not exist, or the engine's package is missing.
    """
    package = package_folder()
    if not (package / "ctdiffusion" / "__main__.py").is_file():
        raise ValueError(f"engine: the package ctdiffusion is missing in {package}; install the extension again")
    current = dict(os.environ)
    original = current if startup_environment is None else dict(startup_environment)
    if python:
        found = shutil.which(python)
        if found is None:
            raise ValueError(f"engine: there is no Python interpreter at {python}")
        if not _same(found, launcher) and not _same(found, sys.executable):
            return Engine(found, package, priors, original, foreign=True)
        launcher = found if _same(found, launcher) else None
    if launcher:
        # The launcher puts its own values in front of whatever the environment has, so it starts from the original.
        return Engine(launcher, package, priors, original)
    return Engine(sys.executable, package, priors, current)


def _same(one: str, other: str | None) -> bool:
    # Not the resolved path: a virtual environment's python is a link to another interpreter.
    return other is not None and os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))
