"""Progress for people: a bar with the time left in a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import TextIO

from ..jobs.events import Event

_WIDTH = 28
# Without a terminal a phase is reported when it begins and at every tenth of it.
_PARTS = 10


class Progress:
    """Shows a job's events on a text stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._said: tuple[object, int] | None = None
        self._shown = False

    def show(self, event: Event) -> None:
        """Show one event."""
        kind = event["event"]
        if kind == "step":
            self._step(event)
        elif kind == "warning":
            self._line(f"warning: {event['text']}")
        elif kind == "device":
            self._line(f"device: {event['device']} ({event['reason']})")
        elif kind == "resumed":
            self._line(f"resumed after step {event['step']}")

    def clear(self) -> None:
        """Make the line free for other output."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    def _step(self, event: Event) -> None:
        phase, step, total = event["phase"], event["step"], max(event["total"], 1)
        left = _left(event.get("eta_s")) if step < total else ""
        if self._live:
            filled = _WIDTH * step // total
            bar = "#" * filled + "-" * (_WIDTH - filled)
            self._write(f"\r\x1b[K{phase:<10} [{bar}] {step}/{event['total']}{left}")
            self._shown = True
            return
        part = (phase, _PARTS * step // total)
        if part != self._said:
            self._said = part
            self._write(f"{phase} {step}/{event['total']}{left}\n")

    def _line(self, text: str) -> None:
        self.clear()
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # A terminal that has gone does not stop a reconstruction.
            self._live = False


def _left(eta_s: float | None) -> str:
    if eta_s is None:
        return ""
    minutes, seconds = divmod(round(eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"  {clock} left"
