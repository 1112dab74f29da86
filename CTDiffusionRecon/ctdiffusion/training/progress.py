"""How far a training is and how long it will still take, told every few seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO


def told(step: int, spent: float, left: float | None, loss: float, rate: float) -> str:
    """One line: steps done, time spent and left in seconds, running loss and learning rate."""
    remaining = "time left not known yet" if left is None else f"{clock(left)} left"
    return f"step {step}  {clock(spent)} spent, {remaining}  loss {loss:.4f}  rate {rate:.2e}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Teller:
    """Shows progress in place in a terminal; elsewhere as lines, not more often than `every` seconds."""

    def __init__(self, stream: TextIO | None = None, every: float = 10.0) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._every = every
        self._last = -every
        self._shown = False

    def progress(self, text: str) -> None:
        """Show how far it is."""
        if self._live:
            self._write(f"\r\x1b[K{text}")
            self._shown = True
        elif time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self._write(f"{text}\n")

    def say(self, text: str) -> None:
        """Show something that is to stay."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # A terminal that has gone does not stop a training.
            self._live = False
