"""Ending a process with everything it started. `PythonSlicer` is only a launcher: killing it leaves the interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants; those that are gone already do not matter."""
    if sys.platform == "win32":
        with suppress(OSError, subprocess.TimeoutExpired):
            command = ["taskkill", "/PID", str(pid), "/T", "/F"]
            subprocess.run(command, capture_output=True, timeout=5, check=False, creationflags=0x08000000)
        return
    # The parent first, so that it cannot start another child; its own children are listed before.
    for each in [pid, *descendants(pid)]:
        with suppress(OSError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Children, grandchildren and so on of a process, nearest first; none are known on Windows."""
    if sys.platform == "win32":
        return []
    children: dict[int, list[int]] = {}
    for child, parent in _pairs():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, []) if child not in found]
        found += level
    return found


def _pairs() -> list[tuple[int, int]]:
    """Every process with its parent."""
    pairs = []
    if Path("/proc/self/stat").exists():
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    # The name, in brackets, may hold anything, brackets and blanks included.
                    fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
                    pairs.append((int(entry.name), int(fields[1])))
        return pairs
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, timeout=5, check=False)
        for line in done.stdout.splitlines():
            child, parent = line.split()
            pairs.append((int(child), int(parent)))
    return pairs
