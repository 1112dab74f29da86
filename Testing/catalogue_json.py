"""Keep the panel's list of methods, Resources/Catalogue/methods.json, equal to what the engine offers.

python Testing/catalogue_json.py            exit status 1 where they differ
python Testing/catalogue_json.py --write    write the file from the engine
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MODULE = Path(__file__).resolve().parents[1] / "CTDiffusionRecon"
FILE = MODULE / "Resources" / "Catalogue" / "methods.json"


def from_engine() -> dict[str, Any]:
    """What the engine offers now."""
    from ctdiffusion.commands.catalogue import catalogue

    # Through JSON, so that both sides have lists where the engine has tuples.
    return json.loads(json.dumps(catalogue(), allow_nan=False))


def in_file() -> dict[str, Any]:
    """What the file says."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def write() -> None:
    """Write the file."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(from_engine(), indent=1, ensure_ascii=False) + "\n"
    FILE.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(MODULE))
    if arguments == ["--write"]:
        write()
    return 0 if FILE.is_file() and in_file() == from_engine() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
