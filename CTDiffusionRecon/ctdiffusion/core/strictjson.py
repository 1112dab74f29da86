"""JSON from outside, read strictly: finite numbers, no duplicate keys, bounded strings, lists and depth."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from .regularfile import read_regular

MAX_FILE_BYTES = 4_000_000
MAX_TEXT = 4096
MAX_ITEMS = 10_000
MAX_DEPTH = 8
MAX_INTEGER = 2**63 - 1
# A number of more digits is no measurement; Python's own limit on integers has another text in every version.
MAX_DIGITS = 400
# A text, or one bracket. The text's end may be missing, so that the scan never begins it a second time.
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def read_object(path: Path, limit: int = MAX_FILE_BYTES) -> dict[str, Any]:
    """The JSON object in a regular file of at most `limit` bytes.

    Raises:
        ValueError: no regular file, too large, not JSON, not an object, or a value that `check_plain` refuses; the
            text names the file.
        OSError: the file cannot be read.
    """
    return parse_bytes(read_regular(path, limit), path)


def parse_bytes(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object in the content of the file `path`.

    Raises:
        ValueError: see `read_object`.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text") from None
    return parse_object(text, path.name)


def parse_object(text: str, where: str) -> dict[str, Any]:
    """The JSON object in a text.

    Raises:
        ValueError: as `load_object`, or a value that `check_plain` refuses.
    """
    # `check_plain` counts from the object's values.
    values = load_object(text, where, MAX_DEPTH + 2)
    for key, value in values.items():
        check_plain(key, f"{where}: a key")
        check_plain(value, f"{where}: {shorten(key)}")
    return values


def load_object(text: str, where: str, deepest: int, digits: int = MAX_DIGITS) -> dict[str, Any]:
    """The JSON object in a text, of any length.

    Args:
        text: the JSON.
        where: what holds it, for messages.
        deepest: how many brackets may be open.
        digits: of a whole number, at most.

    Raises:
        ValueError: not JSON, not an object, a duplicate key, a number that is not finite or a very long one, or more
            brackets.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in items:
            if key in out:
                raise ValueError(f"{where}: the key {shorten(key)} appears twice")
            out[key] = value
        return out

    def constant(name: str) -> float:
        raise ValueError(f"{where}: {name} is not a finite number")

    def number(written: str) -> int:
        if len(written) > digits:
            raise ValueError(f"{where}: number out of range ({len(written)} digits)")
        return int(written)

    # Before the parser, which descends as deep as the text asks it to.
    if _deeper_than(text, deepest):
        raise ValueError(f"{where}: nested too deeply")
    try:
        values = json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_int=number)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not JSON ({error.msg}, line {error.lineno})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected an object, got {type(values).__name__}")
    return values


def _deeper_than(text: str, limit: int) -> bool:
    depth = 0
    for token in _TOKENS.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > limit:
                return True
        elif first in "]}":
            depth -= 1
    return False


def check_plain(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what no job needs: non-finite or huge numbers, long or control texts, long lists, deep nesting.

    Raises:
        ValueError: the text begins with `where`.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"{where}: nested too deeply")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"{where}: text of {len(value)} characters, at most {MAX_TEXT} are allowed")
        if any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF for c in value):
            raise ValueError(f"{where}: control characters are not allowed")
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError(f"{where}: number out of range")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}: must be finite, got {value!r}")
    elif isinstance(value, (list, tuple)):
        if len(value) > MAX_ITEMS:
            raise ValueError(f"{where}: {len(value)} entries, at most {MAX_ITEMS} are allowed")
        for index, item in enumerate(value):
            check_plain(item, f"{where}[{index}]", depth + 1)
    elif isinstance(value, dict):
        if len(value) > MAX_ITEMS:
            raise ValueError(f"{where}: {len(value)} entries, at most {MAX_ITEMS} are allowed")
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{where}: keys must be texts, got {shorten(key)}")
            check_plain(key, f"{where}: a key", depth + 1)
            check_plain(item, f"{where}.{shorten(key)}", depth + 1)
    else:
        raise ValueError(f"{where}: expected a plain JSON value, got {type(value).__name__}")


def shorten(value: object, limit: int = 60) -> str:
    """`value` as one printable line of at most `limit` characters, for messages."""
    text = value if isinstance(value, str) and value.isidentifier() else ascii(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
