"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """A value as the cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; an empty text where there are no rows."""
    lines = ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(cell(value) for value in head) + " |", "|" + "---|" * len(head), *lines, ""])
