"""Tables of results, from CSV files whose index says what each of them is.

A cell is kept as it was written, with its number of digits. The column `id` holds the registry's name of the method
that a row is about; it is not shown.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from .markdown import table

# Columns that set measurements of one file apart.
CASES = ("views", "factor", "profile")


@dataclass(frozen=True)
class Table:
    """One file of numbers.

    Attributes:
        name, title, made_by: as in `index.json`.
        note: the dated note, below `docs`, that tells the whole story.
        task: of the methods in it.
        ranked: whether its rows may be held against each other, best PSNR first.
        head, rows: its cells.
    """

    name: str
    title: str
    note: str
    made_by: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    task: str = "reconstruction"
    ranked: bool = False

    def column(self, start: str) -> int | None:
        """Place of the first column whose name starts so."""
        return next((i for i, name in enumerate(self.head) if name.startswith(start)), None)


@dataclass(frozen=True)
class Place:
    """Where a row stands in its measurement.

    Attributes:
        row: its cells.
        case: what sets the measurement apart, such as "30 views".
        rank, of: 1 is the highest PSNR of so many rows.
    """

    row: tuple[str, ...]
    case: str
    rank: int
    of: int


def read_tables(folder: Path) -> list[Table]:
    """All files of numbers.

    Raises:
        ValueError: a row of another length than the head; the text names the file and the line.
    """
    found = []
    for entry in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        with open(folder / f"{entry['name']}.csv", newline="", encoding="utf-8") as file:
            head, *rows = (tuple(row) for row in csv.reader(file))
        for number, row in enumerate(rows, 2):
            if len(row) != len(head):
                raise ValueError(f"{entry['name']}.csv, line {number}: {len(row)} cells, expected {len(head)}")
        found.append(Table(head=head, rows=tuple(rows), **entry))
    return found


def result_tables(folder: Path) -> dict[str, str]:
    """Files by name: each table with its title, and where it comes from."""
    return {f"{item.name}.md": _shown(item) for item in read_tables(folder)}


def places(item: Table, method: str) -> list[Place]:
    """Where a method's rows stand in a ranked table."""
    score, own = item.column("PSNR"), item.column("id")
    if not item.ranked or score is None or own is None:
        return []
    found = []
    for row in item.rows:
        if row[own] == method:
            rivals = [other for other in item.rows if _case(item, other) == _case(item, row)]
            rank = 1 + sum(float(other[score]) > float(row[score]) for other in rivals)
            found.append(Place(row, _case(item, row), rank, len(rivals)))
    return found


def _case(item: Table, row: tuple[str, ...]) -> str:
    places = [(name, row[item.head.index(name)]) for name in CASES if name in item.head]
    return ", ".join(f"{value} {name}" if name == "views" else f"{name} {value}" for name, value in places)


def _shown(item: Table) -> str:
    kept = [i for i, name in enumerate(item.head) if name != "id"]
    cells = table([item.head[i] for i in kept], [[row[i] for i in kept] for row in item.rows])
    source = f"[Note](/{item.note}), [numbers](/results/{item.name}.csv), made by `{item.made_by}`."
    return f"(results-{item.name})=\n## {item.title}\n\n{cells}\n{source}\n"
