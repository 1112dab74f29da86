"""The lock files beside the requirements: every package but torch, with its version and the SHA-256 of its files.

    python Testing/requirements_lock.py           check that they fit the requirements; needs no network
    python Testing/requirements_lock.py --write   make them anew; needs the network and `uv` (pip install uv)
    python Testing/requirements_lock.py --write requirements-docs.txt   only this one

uv resolves once for Python 3.10 to 3.13 on Linux, macOS and Windows. torch, and what only torch needs on Linux (CUDA,
triton), are left out: its builds for CPU and for each CUDA version have one version number and different hashes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Each with the file on top of which it is installed.
FILES = {
    "requirements.txt": "",
    "requirements-test.txt": "requirements.txt",
    "requirements-docs.txt": "requirements.txt",
}
OF_TORCH = re.compile(r"(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")
HEAD = "# Made by `python Testing/requirements_lock.py --write`; see there. run.py installs from this file.\n"
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")


def entries(text: str) -> list[str]:
    """The entries of a lock file, each with the lines of its hashes."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


def pins(text: str) -> set[tuple[str, str]]:
    """Names, as the index spells them, and versions in a requirement or lock file."""
    lines = (line for line in text.splitlines() if not line.startswith(("#", " ")))
    return {(m[1].lower().replace("_", "-"), m[2]) for line in lines if (m := _PIN.match(line))}


def problems() -> list[str]:
    """What does not fit, one line each."""
    found = []
    for name in FILES:
        lock = (ROOT / name).with_suffix(".lock")
        if not lock.is_file():
            found.append(f"{lock.name} is missing")
            continue
        text = lock.read_text(encoding="utf-8")
        for pin in sorted(pins((ROOT / name).read_text(encoding="utf-8")) - pins(text)):
            if pin[0] != "torch":
                found.append(f"{lock.name} lacks {pin[0]}=={pin[1]}")
        for entry in entries(text):
            first = entry.splitlines()[0]
            if "--hash=sha256:" not in entry or not _PIN.match(first):
                found.append(f"{lock.name}: {first} has no version or no hash")
            if OF_TORCH.match(first):
                found.append(f"{lock.name}: {first} belongs to torch")
    return found


def write(names: Sequence[str] = tuple(FILES)) -> None:
    """Make these files."""
    for name in names:
        below = FILES[name]
        known = entries((ROOT / below).with_suffix(".lock").read_text(encoding="utf-8")) if below else []
        command = ["uv", "pip", "compile", "--universal", "--python-version", "3.10", "--generate-hashes"]
        command += ["--no-annotate", "--no-header", "--quiet", *([below] if below else []), name]
        text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        mine = [entry for entry in entries(text) if entry not in known and not OF_TORCH.match(entry)]
        content = HEAD + "\n".join(mine) + "\n"
        (ROOT / name).with_suffix(".lock").write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if "--write" in sys.argv:
        write([name for name in sys.argv[1:] if name in FILES] or tuple(FILES))
    wrong = problems()
    print("\n".join(wrong) or "the lock files fit the requirements")
    sys.exit(1 if wrong else 0)
