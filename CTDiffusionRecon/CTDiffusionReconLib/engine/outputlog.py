"""The last part of what a child process printed, however much and whatever it was."""

from __future__ import annotations

import re
import threading

# Colours and cursor movements of terminals.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class OutputLog:
    """Keeps the last `capacity` bytes. May be written to from another thread.

    Args:
        capacity: bytes to keep; at most twice as many are held at any time.
    """

    def __init__(self, capacity: int = 64_000) -> None:
        self.total = 0
        self._capacity = capacity
        self._held = bytearray()
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        with self._lock:
            self.total += len(data)
            self._held += data[-self._capacity :]
            if len(self._held) > 2 * self._capacity:
                del self._held[: -self._capacity]

    @property
    def complete(self) -> bool:
        """Whether nothing had to be dropped."""
        return self.total <= self._capacity

    def raw(self) -> bytes:
        """The bytes that are kept."""
        with self._lock:
            return bytes(self._held[-self._capacity :])

    def text(self) -> str:
        """As text: bytes that are not UTF-8 replaced, terminal codes removed, overwritten progress lines dropped."""
        text = _ESCAPES.sub("", self.raw().decode("utf-8", errors="replace")).replace("\r\n", "\n")
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
        if not self.complete and len(lines) > 1:
            # The first line is cut somewhere.
            lines = ["[...]", *lines[1:]]
        return _CONTROL.sub("", "\n".join(lines))
