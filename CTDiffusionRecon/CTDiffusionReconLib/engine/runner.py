"""Child processes behind one small interface, so that jobs know nothing of Qt or of threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from .outputlog import OutputLog
from .processtree import kill_tree

_BLOCK = 1 << 16
# The output of a child that has ended is waited for so long at most.
DRAIN_S = 1.0
# Windows: no console window flashes up, and Ctrl-C in a console does not reach the child.
_NO_WINDOW, _NEW_GROUP = 0x08000000, 0x00000200


class Runner(Protocol):
    """One child process. `stdout` and `stderr` hold the last part of what it printed."""

    stdout: OutputLog
    stderr: OutputLog

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start the child in a working folder.

        Raises:
            OSError: it cannot be started; the text names the program.
        """

    def pump(self, timeout_s: float = 0.0) -> None:
        """Take in what has happened; waits at most so long for something. Never raises."""

    def ask_to_stop(self) -> None:
        """Close the child's standard input, at which the engine stops."""

    def terminate(self) -> None:
        """Ask the system to end the child."""

    def kill_tree(self) -> None:
        """Kill the child with everything it started."""

    @property
    def is_running(self) -> bool:
        """Whether the child lives or its last output has yet to arrive."""

    @property
    def pid(self) -> int | None:
        """Its process number."""

    @property
    def exit_code(self) -> int | None:
        """How it ended: its exit code, minus the signal's number where one killed it, None before."""


class SubprocessRunner:
    """A child by the standard library: threads read its output. For consoles, scripts, tests and other front ends.

    Args:
        capacity: bytes of output that are kept.
    """

    def __init__(self, capacity: int = 64_000) -> None:
        self.stdout = OutputLog(capacity)
        self.stderr = OutputLog(capacity)
        self._child: subprocess.Popen[bytes] | None = None
        self._readers: list[threading.Thread] = []
        self._ended: float | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        pipe = subprocess.PIPE
        windows = sys.platform == "win32"
        self._child = subprocess.Popen(
            list(command),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=dict(environment),
            cwd=folder,
            creationflags=_NO_WINDOW | _NEW_GROUP if windows else 0,
            # Ctrl-C in a console belongs to the console; who wants the child stopped says so.
            start_new_session=not windows,
        )
        for stream, log in ((self._child.stdout, self.stdout), (self._child.stderr, self.stderr)):
            assert stream is not None
            reader = threading.Thread(target=_read, args=(stream, log), daemon=True)
            reader.start()
            self._readers.append(reader)

    def pump(self, timeout_s: float = 0.0) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None and timeout_s > 0:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout_s)
        # Slicer's main thread rarely lets go of the interpreter by itself; the readers need a moment now and then.
        time.sleep(0)
        if child.poll() is not None:
            for reader in self._readers:
                reader.join(min(timeout_s, 0.05))
            if not self.is_running:
                self.ask_to_stop()

    def ask_to_stop(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            with suppress(OSError):
                self._child.stdin.close()

    def terminate(self) -> None:
        if self._child is None or self._child.poll() is not None:
            return
        with suppress(OSError):
            if sys.platform == "win32":
                self._child.terminate()
            else:
                os.killpg(self._child.pid, signal.SIGTERM)

    def kill_tree(self) -> None:
        child = self._child
        if child is None or not self.is_running:
            return
        if child.poll() is None:
            kill_tree(child.pid)
        if sys.platform != "win32":
            # What a launcher left behind when it ended is still in the group that it led.
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)

    @property
    def is_running(self) -> bool:
        if self._child is None:
            return False
        if self._child.poll() is None:
            return True
        if self._ended is None:
            self._ended = time.monotonic()
        # What it printed last is still on its way; something that it started may hold the pipes open for ever.
        return any(r.is_alive() for r in self._readers) and time.monotonic() - self._ended < DRAIN_S

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()


def describe_exit(code: int | None) -> str:
    """How a child ended, in words."""
    if code is None:
        return "still running"
    if code == 0:
        return "ended normally"
    number = -code if code < 0 else code - 128 if 128 < code < 160 and code != 130 else 0
    # A launcher reports the signal that killed its interpreter as 128 plus its number; Windows has codes of its own.
    if number == 9:
        return "killed, probably out of memory"
    if number in (4, 6, 7, 8, 11) or code & 0xFFFFFFFF in (0xC0000005, 0xC000001D, 0xC0000409):
        return f"crashed ({_signal_name(number) or hex(code & 0xFFFFFFFF)})"
    if number == 15:
        return "ended from outside"
    if number:
        return f"ended by signal {_signal_name(number) or number}"
    if code & 0xFFFFFFFF in (0xC0000017, 0xC000012D):
        return "out of memory"
    return f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _read(stream: IO[bytes], log: OutputLog) -> None:
    # A stream closed under our feet ends the reading, no more.
    with suppress(OSError, ValueError), stream:
        while block := stream.read1(_BLOCK):  # type: ignore[attr-defined]
            log.write(block)
