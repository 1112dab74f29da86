"""Child processes by Qt, for use inside the application; the one file of the logic that knows Qt.

Qt reads the child's output from its event loop, where Python's threads hardly ever get their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .outputlog import OutputLog
from .processtree import kill_tree


class QProcessRunner:
    """One child process (see `runner.Runner`)."""

    def __init__(self, capacity: int = 64_000) -> None:
        self.stdout = OutputLog(capacity)
        self.stderr = OutputLog(capacity)
        self._process: Any = None
        self._pid: int | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        import qt

        process = qt.QProcess()
        values = qt.QProcessEnvironment()
        for name, value in environment.items():
            values.insert(name, value)
        process.setProcessEnvironment(values)
        process.setWorkingDirectory(str(folder))
        process.connect("readyReadStandardOutput()", self._read)
        process.connect("readyReadStandardError()", self._read)
        self._process = process
        process.start(command[0], list(command[1:]))
        if not process.waitForStarted(5000):
            self._process = None
            raise OSError(f"{command[0]}: {process.errorString()}")
        self._pid = int(process.processId())

    def pump(self, timeout_s: float = 0.0) -> None:
        if self._process is None:
            return
        if timeout_s > 0 and self.is_running:
            self._process.waitForFinished(int(1000 * timeout_s))
        self._read()

    def ask_to_stop(self) -> None:
        if self._process is not None:
            self._process.closeWriteChannel()

    def terminate(self) -> None:
        if self.is_running:
            self._process.terminate()

    def kill_tree(self) -> None:
        if self.is_running and self._pid is not None:
            kill_tree(self._pid)
            self._process.kill()

    @property
    def is_running(self) -> bool:
        import qt

        return self._process is not None and self._process.state() != qt.QProcess.NotRunning

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def exit_code(self) -> int | None:
        import qt

        if self._process is None or self.is_running:
            return None
        code = int(self._process.exitCode())
        # Of a child that a signal killed Qt tells the signal's number as its exit code.
        return -code if self._process.exitStatus() == qt.QProcess.CrashExit else code

    def _read(self) -> None:
        if self._process is None:
            return
        self.stdout.write(_bytes(self._process.readAllStandardOutput()))
        self.stderr.write(_bytes(self._process.readAllStandardError()))


def every(milliseconds: int, callback: Callable[[], None]) -> Any:
    """A running timer that calls `callback`; keep it, and `stop()` it at the end."""
    import qt

    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.connect("timeout()", callback)
    timer.start()
    return timer


def _bytes(data: Any) -> bytes:
    # PythonQt has handed out the content of a QByteArray as bytes or, in older versions, as text.
    content = data.data()
    return content.encode("utf-8", errors="replace") if isinstance(content, str) else bytes(content)
