"""The event log of a job: one JSON object a line (contract C1)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .files import open_own

Event = dict[str, Any]
Listener = Callable[[Event], None]

# A reconstruction writes a few hundred lines; the bound keeps a runaway one from filling the disk.
MAX_LOG_BYTES = 20_000_000


class EventLog:
    """Appends events to `events.jsonl` and hands each to a listener.

    A log that cannot be written (disk full) does not stop a reconstruction: events still reach the listener.
    """

    def __init__(self, path: Path, listener: Listener | None = None) -> None:
        self.path = path
        self.listener = listener
        self.writable = True
        self._torn = _ends_torn(path)

    def emit(self, kind: str, **values: Any) -> Event:
        """Write one event; `time` is seconds since 1970 (UTC). Non-finite numbers become null."""
        event: Event = {"time": round(time.time(), 3), "event": kind, **{k: finite(v) for k, v in values.items()}}
        if self.writable:
            try:
                self._append(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
            except (OSError, ValueError) as error:
                self.writable = False
                self._tell({"time": event["time"], "event": "warning", "text": f"the event log stopped: {error}"})
        self._tell(event)
        return event

    def _append(self, line: str) -> None:
        with open_own(self.path, "ab") as file:
            if file.tell() > MAX_LOG_BYTES:
                raise OSError(f"{self.path.name} has reached {MAX_LOG_BYTES} bytes")
            file.write((("\n" if self._torn else "") + line).encode("utf-8", errors="replace"))
        self._torn = False

    def _tell(self, event: Event) -> None:
        if self.listener is not None:
            self.listener(event)


def read_events(path: Path) -> Iterator[Event]:
    """The events of a log; a line torn by a crash is skipped."""
    if not path.exists():
        return
    with open_own(path, "rb") as file:
        for line in file:
            try:
                event = json.loads(line.decode("utf-8", errors="replace"))
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def finite(value: Any) -> Any:
    """`value` with every non-finite number replaced by None, as strict JSON needs it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def _ends_torn(path: Path) -> bool:
    try:
        with open_own(path, "rb") as file:
            file.seek(-1, 2)
            return file.read(1) != b"\n"
    except (OSError, ValueError):
        return False
