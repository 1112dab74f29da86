"""Reading a growing `events.jsonl`: only what is new, whole lines alone, garbage passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ctdiffusion.jobs.files import open_own

Event = dict[str, Any]
# Enough for thousands of events at once, and few enough not to hold up a window.
_MOST_AT_ONCE = 1_000_000


class EventReader:
    """Reads the events that were added since the last call.

    Args:
        path: the log; it need not exist yet.
        from_end: pass over what is there already.
    """

    def __init__(self, path: Path, from_end: bool = False) -> None:
        self.path = path
        self._torn = b""
        self._offset = path.stat().st_size if from_end and path.exists() else 0

    def read(self) -> list[Event]:
        """New events, oldest first. A line that is not one JSON object is passed over."""
        try:
            with open_own(self.path, "rb") as file:
                if file.seek(0, 2) < self._offset:
                    # Somebody has started the log anew.
                    self._offset, self._torn = 0, b""
                file.seek(self._offset)
                data = file.read(_MOST_AT_ONCE)
        except (OSError, ValueError):
            return []
        self._offset += len(data)
        *lines, self._torn = (self._torn + data).split(b"\n")
        if len(self._torn) > _MOST_AT_ONCE:
            self._torn = b""
        return [event for line in lines if (event := _parsed(line)) is not None]


def _parsed(line: bytes) -> Event | None:
    try:
        event = json.loads(line.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
