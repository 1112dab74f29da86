"""Compare the Python files listed in CTDiffusionRecon/CMakeLists.txt with those that exist.

python Testing/cmake_sources.py            say what is missing and what is listed in vain (exit status 1)
python Testing/cmake_sources.py --write    correct the list
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parents[1] / "CTDiffusionRecon"
LIST = re.compile(r"(set\(ENGINE_SCRIPTS\n)(.*?)(  \)\n)", re.DOTALL)


def present(module: Path) -> list[str]:
    """Every .py file of the engine, relative to the module's folder."""
    return sorted(path.relative_to(module).as_posix() for path in (module / "ctdiffusion").rglob("*.py"))


def listed(module: Path) -> list[str]:
    """The files that the CMake lists.

    Raises:
        ValueError: the list is not where this script expects it.
    """
    return _match(module).group(2).split()


def write(module: Path) -> None:
    """Bring the CMake list up to date."""
    found = _match(module)
    lines = "".join(f"  {name}\n" for name in present(module))
    text = found.string[: found.start(2)] + lines + found.string[found.end(2) :]
    (module / "CMakeLists.txt").write_text(text, encoding="utf-8", newline="\n")


def _match(module: Path) -> re.Match[str]:
    found = LIST.search((module / "CMakeLists.txt").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("CMakeLists.txt: no set(ENGINE_SCRIPTS ...) found")
    return found


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        write(MODULE)
    there, said = set(present(MODULE)), set(listed(MODULE))
    for name in sorted(there - said):
        print(f"missing in CMakeLists.txt: {name}")
    for name in sorted(said - there):
        print(f"listed but not there: {name}")
    return 0 if there == said else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
