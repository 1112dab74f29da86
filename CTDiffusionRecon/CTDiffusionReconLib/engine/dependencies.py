"""What the engine's Python lacks, and how it is installed, with words that help and a log that can be passed on.

Nothing is checked or installed when the module is loaded. torch comes from the PyTorch extension alone; SimpleITK,
numpy, scipy and requests are Slicer's own and are never installed or updated here.
"""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .engine import Engine, package_folder
from .query import EngineQuery
from .runner import Runner, SubprocessRunner

TORCH = "torch"
LOWEST_TORCH = "2.4"
# Bounded above as well: the next major version has not been tried.
TORCH_VERSIONS = f">={LOWEST_TORCH},<3"
# These come with Slicer. Where one of them is missing the interpreter is not Slicer's, and its owner has to see to it.
OF_SLICER = ("numpy", "scipy", "SimpleITK")
NEVER_INSTALLED = (*OF_SLICER, "requests", TORCH)
# Without these something is slower or cannot be read, but everything else works.
OPTIONAL = ("numba", "h5py", "psutil")
REQUESTER = "CTDiffusionRecon"
LOG_CHARACTERS = 20_000

_CODE = """
import importlib.metadata as m, json, sys
found = {}
for name in %r:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        found[name] = None
print(json.dumps({"python": sys.version.split()[0], "packages": found}))
"""


@dataclass(frozen=True)
class Dependencies:
    """What the engine's Python has.

    Attributes:
        packages: versions by name, None where a package is missing.
        python: version of the interpreter.
        foreign: whether the interpreter is neither Slicer's nor the running one.
    """

    packages: Mapping[str, str | None]
    python: str = ""
    foreign: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages without which nothing can be reconstructed, torch first."""
        lacking = [name for name, version in self.packages.items() if version is None and name not in OPTIONAL]
        if self.packages.get(TORCH) and _older(str(self.packages[TORCH]), LOWEST_TORCH):
            lacking.append(TORCH)
        return tuple(sorted(lacking, key=lambda name: (name != TORCH, name.lower())))

    @property
    def optional(self) -> tuple[str, ...]:
        """Missing packages that only help."""
        return tuple(name for name in OPTIONAL if name in self.packages and self.packages[name] is None)

    @property
    def complete(self) -> bool:
        """Whether reconstructions can run."""
        return not self.missing

    def explanation(self) -> str:
        """What is missing and what it means, for a person; empty where nothing is."""
        if self.complete:
            return ""
        there = self.packages.get(TORCH)
        names = [
            f"{TORCH} {LOWEST_TORCH} or newer (there is {there})" if n == TORCH and there else n for n in self.missing
        ]
        lines = [f"The engine's Python lacks: {', '.join(names)}."]
        if TORCH in self.missing:
            lines.append(
                "Every method computes with torch, FBP, SIRT and TV too: without it nothing can be reconstructed."
            )
        if self.foreign:
            lines.append(
                "The interpreter was chosen in the settings, so nothing is installed into it from here. In it run:"
            )
            lines.append("python -m pip install " + " ".join(self.missing))
        elif own := [name for name in self.missing if name in OF_SLICER]:
            lines.append(f"{', '.join(own)} should have come with Slicer: please install Slicer again.")
        return "\n".join(lines)


@dataclass
class InstallReport:
    """How an installation went: `text` for the panel, `log` for the clipboard.

    Attributes:
        ok: whether everything that is needed is there now.
        declined: the user said no; not an error.
        restart: Slicer has to be started again before what was installed can be used by Slicer itself.
    """

    ok: bool = False
    declined: bool = False
    restart: bool = False
    text: str = ""
    lines: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add to the log."""
        self.lines.append(f"{time.strftime('%H:%M:%S')} {text}")

    @property
    def log(self) -> str:
        """Everything that helps to find out what went wrong, without the user's home folder."""
        head = f"CTDiffusionRecon installation on {platform.system()} {platform.machine()}"
        text = "\n".join([head, self.text, *self.lines])[-LOG_CHARACTERS:]
        return text.replace(str(Path.home()), "~")


def requirements_file() -> Path:
    """The packages that may be installed into Slicer's Python."""
    return package_folder() / "Resources" / "requirements.txt"


def requirements(path: Path | None = None) -> list[str]:
    """Requirements of a file, one a line, without comments.

    Raises:
        ValueError: one that must never be installed into Slicer.
    """
    lines = (path or requirements_file()).read_text(encoding="utf-8").splitlines()
    found = [line.split("#")[0].strip() for line in lines]
    found = [line for line in found if line]
    for line in found:
        if name_of(line).lower() in {name.lower() for name in NEVER_INSTALLED}:
            raise ValueError(f"{line}: must not be installed into Slicer from here")
    return found


def name_of(requirement: str) -> str:
    """The package that a requirement names."""
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]


def dependencies_query(engine: Engine, runner: Callable[..., Runner] = SubprocessRunner) -> EngineQuery:
    """Ask the engine's interpreter what it has; give the answer to `dependencies_of`."""
    names = (TORCH, *OF_SLICER, *(name_of(line) for line in requirements()))
    return EngineQuery(engine, engine.script(_CODE % (names,)), runner)


def dependencies_of(answer: Mapping[str, Any], foreign: bool = False) -> Dependencies:
    """From the answer of `dependencies_query`."""
    packages = {str(name): None if value is None else str(value) for name, value in answer["packages"].items()}
    return Dependencies(packages, str(answer.get("python", "")), foreign)


def own_dependencies() -> Dependencies:
    """What the running interpreter has: quick, and right where the engine runs in it too (as in Slicer)."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in (TORCH, *OF_SLICER, *(name_of(line) for line in requirements())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return Dependencies(found, platform.python_version())


def wheel_options(folder: Path | None) -> list[str]:
    """Options by which pip takes wheels from a folder and never asks the network.

    Raises:
        ValueError: the folder does not exist or holds no wheels.
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise ValueError(f"wheels: there is no folder {folder}")
    if not any(folder.glob("*.whl")):
        raise ValueError(f"wheels: {folder} holds no wheels (files that end in .whl)")
    return ["--no-index", "--find-links", str(folder)]


def constraints_text(names: Iterable[str] = (*OF_SLICER, "requests")) -> str:
    """Constraints that keep Slicer's own packages as they are, whatever another package would like."""
    from importlib.metadata import PackageNotFoundError, version

    lines = []
    for name in names:
        try:
            lines.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"


def last_lines(output: str, count: int = 8) -> str:
    """The end of pip's output, where the reason stands."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return "\n".join((errors or lines)[-count:])


def error_text(error: BaseException) -> str:
    """What an installer says of its failure; its own output where it brings it along."""
    output = getattr(error, "output", None) or getattr(error, "stderr", None) or ""
    if isinstance(output, bytes):
        output = output.decode("utf-8", errors="replace")
    return last_lines(f"{error}\n{output}")


def _older(version: str, lowest: str) -> bool:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text.split("+")[0])[:2])

    return numbers(version) < numbers(lowest)
