"""Keep the README's table of methods equal to the registry.

python Testing/readme_methods.py            exit status 1 where they differ
python Testing/readme_methods.py --write    write the table from the registry
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- methods: written by Testing/readme_methods.py -->\n", "<!-- end of methods -->"
TABLE = re.compile(f"({re.escape(BEGIN)})(.*?)({re.escape(END)})", re.DOTALL)


def from_registry() -> str:
    """The table as the registry has it."""
    from ctdiffusion.methods.registry import methods

    lines = ["| `--method` | method | what it does | prior | source |", "|---|---|---|---|---|"]
    for method in methods().values():
        prior = "yes" if method.needs_prior else "no"
        cells = (f"`{method.name}`", method.title, method.summary, prior, method.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def in_readme() -> str:
    """The table as the README has it."""
    return _match().group(2)


def write() -> None:
    """Write the table into the README."""
    found = _match()
    text = found.string[: found.start(2)] + from_registry() + found.string[found.end(2) :]
    README.write_text(text, encoding="utf-8", newline="\n")


def _match() -> re.Match[str]:
    found = TABLE.search(README.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("README.md: the markers of the methods table are missing")
    return found


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(ROOT / "CTDiffusionRecon"))
    if arguments == ["--write"]:
        write()
    return 0 if in_readme() == from_registry() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
