#!/usr/bin/env python3
"""From a fresh clone to a result in one command; nothing but a Python 3.10-3.13 is needed.

    python3 run.py demo [FOLDER] [--full]   reconstruct the shipped chest CT and compare the methods
    python3 run.py test [pytest arguments]  ruff, mypy and the test suite; with --all the slow tests too
    python3 run.py docs [sphinx arguments]  the documentation, as a site in build/docs

All create `.venv` beside this file and install the pinned requirements there; a later call installs nothing again.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PYTHONS = ((3, 10), (3, 13))
STAMP = "ctdiffusion-install.json"
TAIL = 15
# Seconds in which a child that was asked to stop may tidy up.
GRACE_S = 5.0


class Stopped(KeyboardInterrupt):
    """The system asked this process to end (SIGTERM, or SIGHUP: its terminal has gone); `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class SetupError(Exception):
    """The environment could not be made; the text is for the user."""


class Environment:
    """The virtual environment in `folder`, and the record (stamp) of what was installed in it.

    The stamp says which step is under way and which requirement files, by hash, are completely installed. A step that
    was begun and never finished makes the environment untrustworthy: it is then built anew.
    """

    def __init__(self, folder: Path, package: Path) -> None:
        self.folder = folder
        self.package = package
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / ("python.exe" if os.name == "nt" else "python")

    # stamp ------------------------------------------------------------------------------------------------------
    def stamp(self) -> dict[str, object]:
        """What is recorded; empty where there is no readable record."""
        try:
            record = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def write_stamp(self, record: dict[str, object]) -> None:
        """Replace the record in one step, so that an interruption leaves the old or the new one."""
        fresh = self.folder / (STAMP + ".new")
        fresh.write_text(json.dumps(record, indent=1), encoding="utf-8")
        os.replace(fresh, self.folder / STAMP)

    def missing(self, files: list[Path]) -> list[Path]:
        """Those requirement files that are not completely installed in their present wording."""
        record = self.stamp()
        installed = record.get("installed")
        if record.get("python") != python_tag() or record.get("unfinished") or not self.python.exists():
            return list(files)
        known = installed if isinstance(installed, dict) else {}
        return [f for f in files if known.get(f.name) != digest(f, lock_of(f))]

    # installation -----------------------------------------------------------------------------------------------
    def prepare(self, files: list[Path]) -> None:
        """Make sure that all requirement files are installed and that `ctdiffusion` runs.

        Raises:
            SetupError: a step failed; the text names it and shows the last lines of its output.
        """
        missing = self.missing(files)
        if missing:
            began = time.monotonic()
            print(f"Setting up {self.folder} (once; a few minutes, mostly downloads)", flush=True)
            if self._must_be_built():
                self._step("creating the virtual environment", [sys.executable, "-m", "venv", "--clear", self.folder])
                self.write_stamp({"python": python_tag(), "installed": {}})
            for file in missing:
                self._install(file)
            self._link_package()
            self._compile()
            print(f"Ready after {time.monotonic() - began:.0f} s\n", flush=True)
        self._link_package()

    def _must_be_built(self) -> bool:
        record = self.stamp()
        if record.get("unfinished"):
            print("An earlier installation was not finished: starting afresh", flush=True)
            return True
        probe = [str(self.python), "-c", "import sys, pip; print('%d.%d' % sys.version_info[:2])"]
        try:
            answer = subprocess.run(probe, capture_output=True, text=True, timeout=120, check=False).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            answer = ""
        return answer != "{}.{}".format(*sys.version_info[:2])

    def _install(self, file: Path) -> None:
        record = self.stamp()
        known = record.get("installed")
        installed = dict(known) if isinstance(known, dict) else {}
        installed.pop(file.name, None)
        self.write_stamp({"python": python_tag(), "installed": installed, "unfinished": file.name})
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        # Every file that pip takes is held against its hash. The lock names all packages, so pip looks for no others.
        lock = lock_of(file)
        self._step(f"installing {lock.name}", [*pip, "--require-hashes", "--no-deps", "-r", lock])
        # torch finds its own requirements installed by now, but for CUDA's libraries on Linux.
        torch = torch_requirement(file)
        if torch:
            self._step(f"installing {torch} (the largest download)", [*pip, torch])
        installed[file.name] = digest(file, lock)
        self.write_stamp({"python": python_tag(), "installed": installed})

    def _step(self, what: str, command: list[str | Path]) -> None:
        print(f"  {what} ...", flush=True)
        code, last = follow([str(part) for part in command], self.folder.parent)
        if code:
            raise SetupError(failure_text(what, code, last))

    def _compile(self) -> None:
        """Have the kernels compiled here, where minutes are expected, and not by the first reconstruction.

        What goes wrong with it is of no importance: they are then compiled when they are first used.
        """
        print("  compiling kernels ...", flush=True)
        follow([str(self.python), "-m", "ctdiffusion.compilation"], self.folder.parent)

    def _link_package(self) -> None:
        """Let the environment import the package from the source tree and offer the command `ctdiffusion`.

        The path in the .pth file is relative and hence plain ASCII wherever the repository lies: Python reads .pth
        files in the system's code page on Windows.
        """
        site = next(iter(sorted(self.folder.glob("lib/python3*/site-packages"))), self.folder / "Lib/site-packages")
        write_if_new(site / "ctdiffusion-source.pth", os.path.relpath(self.package, site).replace(os.sep, "/") + "\n")
        if os.name == "nt":
            write_if_new(self.bin / "ctdiffusion.cmd", '@"%~dp0python.exe" -m ctdiffusion %*\n')
            return
        launcher = self.bin / "ctdiffusion"
        write_if_new(launcher, '#!/bin/sh\nexec "$(dirname "$0")/python" -m ctdiffusion "$@"\n')
        launcher.chmod(0o755)


def python_tag() -> str:
    """The interpreter that an environment belongs to."""
    return "{}-{}.{}.{}".format(sys.implementation.name, *sys.version_info[:3])


def lock_of(file: Path) -> Path:
    """The lock beside a requirement file: all packages but torch, with the hashes of their files."""
    return file.with_suffix(".lock")


def digest(*files: Path) -> str:
    """SHA-256 of requirement files, line ends aside (git may change them on Windows)."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes().replace(b"\r\n", b"\n") if file.exists() else b"")
    return total.hexdigest()


def torch_requirement(file: Path) -> str:
    """The pinned torch of a requirement file, or an empty text."""
    lines = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return next((line for line in lines if line.startswith("torch==")), "")


def write_if_new(file: Path, text: str) -> None:
    """Write `text` unless the file already holds it."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8", newline="\n")


def child_environment() -> dict[str, str]:
    """A copy of this process's environment in which children speak UTF-8."""
    return {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}


def follow(command: list[str], folder: Path) -> tuple[int, list[str]]:
    """Run a command, show its milestones, and return its exit status and its last lines."""
    last: deque[str] = deque(maxlen=TAIL)
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return 127, [str(error)]
    with child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                text = line.rstrip()
                if text:
                    last.append(text)
                if text.startswith(("Downloading", "  Downloading", "Installing collected")):
                    print("    " + text.strip()[:110], flush=True)
        except KeyboardInterrupt as stop:
            end(child, stop)
            raise
    return child.returncode, list(last)


def end(child: subprocess.Popen, stop: KeyboardInterrupt) -> None:
    """End a child with this process. Ctrl-C in a terminal reaches both; other signals are meant for both."""
    if isinstance(stop, Stopped):
        child.terminate()
    try:
        child.wait(GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()


def watch_signals() -> None:
    """Turn the signals that end a process into `Stopped`; those that are ignored (nohup) stay ignored."""

    def stop(number: int, frame: object) -> None:
        raise Stopped(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def failure_text(what: str, code: int, last: list[str]) -> str:
    """What a user reads when a step of the installation failed."""
    killed = " (killed, probably out of memory)" if code in (-9, 137) else ""
    lines = [f"{what} failed with exit status {code}{killed}. Its last lines:", *("    " + line for line in last)]
    if "ensurepip" in " ".join(last) and os.name != "nt":
        lines.append("Python's venv module is incomplete here; on Debian and Ubuntu: sudo apt install python3-venv")
    elif "pip" in what or "installing" in what:
        lines.append("Behind a proxy set HTTPS_PROXY; without a network point PIP_FIND_LINKS at a folder of wheels.")
    lines.append("Then run the same command again: it starts this over.")
    return "\n".join(lines)


def call(command: list[str], **variables: str) -> int:
    """Run a command in the foreground and return its exit status; a child that was killed does not go unnoticed."""
    sys.stdout.flush()
    with subprocess.Popen(command, env={**child_environment(), **variables}) as child:
        try:
            status = child.wait()
        except KeyboardInterrupt as stop:
            end(child, stop)
            return 128 + stop.number if isinstance(stop, Stopped) else 130
    if status >= 0:
        return status
    cause = " (killed, probably out of memory)" if status == -9 else ""
    print(f"\nerror: {' '.join(command[1:4])} was ended by signal {-status}{cause}", file=sys.stderr)
    return 128 - status


def demo(environment: Environment, arguments: list[str]) -> int:
    """Reconstruct the sample into ./demo or the folder that is named."""
    return call([str(environment.python), "-m", "ctdiffusion", "demo", *arguments])


def test(environment: Environment, arguments: list[str]) -> int:
    """ruff, mypy, then pytest, whose summary comes last; not zero if any of them failed."""
    python = [str(environment.python), "-m"]
    failed = []
    os.chdir(ROOT)
    for name, command in (("ruff", [*python, "ruff", "check", "."]), ("mypy", [*python, "mypy"])):
        print(f"== {name}", flush=True)
        if call(command):
            failed.append(name)
    verdict = f"{' and '.join(failed)} FAILED (above): this run fails whatever pytest says" if failed else "clean"
    print(f"== ruff and mypy: {verdict}\n== pytest", flush=True)
    status = call([*python, "pytest", *chosen_tests(arguments)])
    return status or (1 if failed else 0)


def chosen_tests(arguments: list[str]) -> list[str]:
    """Arguments of pytest: those given, or the suite on all processors, without its slow tests unless --all."""
    own = [argument for argument in arguments if argument != "--all"]
    everything = [] if len(own) < len(arguments) or own else ["-m", "not slow"]
    parallel = [] if own else ["-n", str(max(1, min(os.cpu_count() or 1, 8))), "--dist", "worksteal"]
    return [*parallel, *everything, *own]


def docs(environment: Environment, arguments: list[str]) -> int:
    """Build the site; a warning is an error. Examples and notebooks run on one processor core."""
    os.chdir(ROOT)
    python = [str(environment.python), "-m"]
    single = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    status = call([*python, "sphinx", "-W", "--keep-going", *arguments, "docs", "build/docs"], **single)
    if status == 0:
        print(f"open {ROOT / 'build' / 'docs' / 'index.html'}")
    return status


COMMANDS = {
    "demo": (demo, ["requirements.txt"]),
    "test": (test, ["requirements.txt", "requirements-test.txt"]),
    "docs": (docs, ["requirements.txt", "requirements-docs.txt"]),
}


def main(arguments: list[str]) -> int:
    """Run one of the commands; returns the exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help")
        print(__doc__, file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        present = "{}.{}".format(*sys.version_info[:2])
        print(f"error: Python 3.10 to 3.13 is needed, this is {present}", file=sys.stderr)
        return 2
    action, files = COMMANDS[arguments[0]]
    if arguments[0] == "demo" and {"-h", "--help"} & set(arguments[1:]):
        # Its help needs nothing but Python.
        package = str(ROOT / "CTDiffusionRecon")
        return call([sys.executable, "-m", "ctdiffusion", "demo", "--help"], PYTHONPATH=package)
    environment = Environment(ROOT / ".venv", ROOT / "CTDiffusionRecon")
    watch_signals()
    try:
        environment.prepare([ROOT / name for name in files])
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print("\nInterrupted; the next call starts the installation over.", file=sys.stderr)
        return 128 + stop.number if isinstance(stop, Stopped) else 130
    return action(environment, arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
