"""Compare the files listed in CTDiffusionRecon/CMakeLists.txt with those that exist.

python Testing/cmake_sources.py            say what is missing and what is listed in vain (exit status 1)
python Testing/cmake_sources.py --write    correct the lists
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parents[1] / "CTDiffusionRecon"
# Name of each list with the patterns of its files, relative to the module's folder.
LISTS = {
    "ENGINE_SCRIPTS": ("ctdiffusion/**/*.py",),
    "MODULE_SCRIPTS": ("*.py", "CTDiffusionReconLib/**/*.py"),
    "MODULE_RESOURCES": ("Resources/**/*",),
}


def present(module: Path, name: str) -> list[str]:
    """Every file that belongs into a list, relative to the module's folder."""
    files = {path for pattern in LISTS[name] for path in module.glob(pattern) if path.is_file()}
    kept = [path for path in files if "__pycache__" not in path.parts and path.name != ".gitkeep"]
    return sorted(path.relative_to(module).as_posix() for path in kept)


def listed(module: Path, name: str) -> list[str]:
    """The files that the CMake lists.

    Raises:
        ValueError: the list is not where this script expects it.
    """
    return _match(module, name).group(2).split()


def write(module: Path) -> None:
    """Bring the CMake lists up to date."""
    for name in LISTS:
        found = _match(module, name)
        lines = "".join(f"  {file}\n" for file in present(module, name))
        text = found.string[: found.start(2)] + lines + found.string[found.end(2) :]
        (module / "CMakeLists.txt").write_text(text, encoding="utf-8", newline="\n")


def _match(module: Path, name: str) -> re.Match[str]:
    pattern = re.compile(rf"(set\({name}\n)(.*?)(  \)\n)", re.DOTALL)
    found = pattern.search((module / "CMakeLists.txt").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"CMakeLists.txt: no set({name} ...) found")
    return found


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        write(MODULE)
    wrong = 0
    for name in LISTS:
        there, said = set(present(MODULE, name)), set(listed(MODULE, name))
        wrong += len(there ^ said)
        for file in sorted(there - said):
            print(f"missing in CMakeLists.txt ({name}): {file}")
        for file in sorted(said - there):
            print(f"listed but not there ({name}): {file}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
