"""Pages and tables of the site that are made from the registry, the schema, the command line and files of numbers.

Plain Markdown comes out; nothing here needs Sphinx or torch. `conf.py` calls `write` before every build.
"""

from __future__ import annotations

from pathlib import Path

from .commands import command_pages
from .jobs import job_tables
from .methods import method_pages
from .results import result_tables

DOCS = Path(__file__).resolve().parents[1]
# What is made, below `docs`; git ignores both.
TABLES, METHODS = "generated", "methods"


def contents() -> dict[str, str]:
    """Every file that is made, by its path below `docs`."""
    found = {f"{TABLES}/{name}": text for name, text in {**job_tables(), **command_pages()}.items()}
    found.update({f"{TABLES}/results/{name}": text for name, text in result_tables(DOCS / "results").items()})
    found.update({f"{METHODS}/{name}": text for name, text in method_pages(DOCS).items()})
    return found


def write(folder: Path = DOCS) -> None:
    """Write the files that are new or changed, and remove those of methods that are gone."""
    wanted = contents()
    for name, text in wanted.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8", newline="\n")
    for file in (folder / METHODS).glob("*.md"):
        if file.name != "index.md" and f"{METHODS}/{file.name}" not in wanted:
            file.unlink()
