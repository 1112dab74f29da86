"""Asking a running job to stop: signals, a cancel file, or the end of standard input (contract C8)."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

CANCELLED = "cancelled"
INTERRUPTED = "interrupted"
STOPPED_EXIT_CODE = 130

# A step longer than this is not waited for: the process then tidies up and ends.
GRACE_S = 1.2
_POLL_S = 0.1
# Terminals and process managers send one Ctrl-C or SIGTERM more than once within this time.
_BOUNCE_S = 0.1


class StopRequest:
    """A request to stop with its reason: `cancelled` (somebody asked) or `interrupted` (the host is going away).

    The job looks at `reason` between its steps. `on_exit` collects what must happen where it cannot be waited for.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.since = 0.0
        self.on_exit: list[Callable[[str], None]] = []
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, reason: str) -> bool:
        """Ask for a stop; returns false where one was already asked for."""
        with self._lock:
            if self.reason is not None:
                return False
            self.since = time.monotonic()
            self.reason = reason
            return True

    def close(self) -> None:
        """From here on the job ends by itself in no time: no hard exit any more."""
        with self._lock:
            self._closed = True

    def hard_exit(self) -> None:
        """Tidy up and end this process, unless the job is just ending by itself."""
        with self._lock:
            if self._closed:
                return
            for tidy in reversed(self.on_exit):
                with suppress(Exception):
                    tidy(self.reason or CANCELLED)
            os._exit(STOPPED_EXIT_CODE)


def leave(code: int) -> NoReturn:
    """End this process with an exit code; a stopped one at once, because unloading torch can take seconds."""
    if code == STOPPED_EXIT_CODE:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)
    raise SystemExit(code)


@contextmanager
def watching(stop: StopRequest, cancel_file: Path | None = None, stdin: bool = False) -> Iterator[None]:
    """Watch for requests to stop while the block runs. For a process that belongs to one job, on its main thread.

    A thread does the watching, because a Python signal handler has to wait for a long call into torch to return while
    the system's wake-up byte does not. The process is ended hard when the job has not stopped `GRACE_S` after the
    first request, or at a second signal. A hang-up that whoever started this process had ignored (nohup) stays so.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    ended = threading.Event()
    before = {number: signal.signal(number, _heard) for number in _signals() if not _ignored_hangup(number)}
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    if stdin:
        threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    watcher = threading.Thread(target=_watch, args=(stop, cancel_file, reader, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _watch(stop: StopRequest, cancel_file: Path | None, reader: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set():
        if select.select([reader], [], [], _POLL_S)[0]:
            for number in reader.recv(64):
                if number not in _signals():
                    continue
                reason = CANCELLED if number == signal.SIGINT else INTERRUPTED
                if not stop.ask(reason) and time.monotonic() - stop.since > _BOUNCE_S:
                    stop.hard_exit()
        if cancel_file is not None and stop.reason is None and cancel_file.exists():
            stop.ask(CANCELLED)
        if stop.reason is not None and time.monotonic() - stop.since > GRACE_S:
            stop.hard_exit()


def _watch_stdin(stop: StopRequest) -> None:
    # os.read, because a thread blocked inside sys.stdin would hold its lock when the interpreter ends.
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    stop.ask(INTERRUPTED)


def _heard(number: int, frame: FrameType | None) -> None:
    """The wake-up byte has already told the watcher."""


def _ignored_hangup(number: signal.Signals) -> bool:
    return sys.platform != "win32" and number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


def _signals() -> tuple[signal.Signals, ...]:
    if sys.platform == "win32":
        return (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
