"""What a training was started with, kept beside its checkpoint: a resumed one goes on with the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.atomic import write_bytes

FILE = "training.json"
# What may differ when a training is resumed: how long it runs and what the pack says of itself.
_FREE = ("minutes", "steps", "workers", "name", "data_name", "licence", "attribution", "body_parts", "out")


def write_record(folder: Path, options: Mapping[str, Any]) -> None:
    """Keep the options of a training, paths as text.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: _plain(value) for name, value in options.items()}
    write_bytes(folder / FILE, (json.dumps(plain, indent=1) + "\n").encode())


def recorded(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options to go on with: those given, and those of the record where none was given.

    Args:
        folder: the training's.
        options: those given; None, or empty, where not.

    Raises:
        ValueError: one that would make another training of it; names the option and both values.
    """
    path = folder / FILE
    if not path.is_file():
        return dict(options)
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(before, dict):
            raise ValueError("not an object")
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"resume: {path} is damaged: {error}") from None
    result = dict(options)
    for name, given in options.items():
        if name not in before:
            continue
        # 0 is an answer: no limit of minutes, the seed 0.
        if given is None or given is False or given in ([], ""):
            result[name] = before[name]
        elif name not in _FREE and _plain(given) != before[name]:
            raise ValueError(f"resume: {name} was {before[name]!r}, now {_plain(given)!r}: another --work is needed")
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
