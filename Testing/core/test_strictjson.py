"""JSON from outside: whatever the text, there is an object of plain bounded values or one line that says why not."""

from __future__ import annotations

import json
import math
import time

import pytest
from ctdiffusion.core.strictjson import MAX_DEPTH, parse_object, read_object
from hypothesis import given, settings
from hypothesis import strategies as st

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner)),
    max_leaves=25,
)
# Pieces of JSON in any order: mostly wrong, sometimes deep.
WORDS = ['{"a":', *'{}[],:"-1\\\n', '"a"', "1e999", "NaN", "Infinity", "tru", "é"]
PIECES = st.lists(st.sampled_from(WORDS), max_size=60).map("".join)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def check(value: object) -> None:
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, int):
        assert abs(value) < 2**63
    elif isinstance(value, str):
        assert len(value) <= 4096 and all(ord(c) >= 32 for c in value)
    elif isinstance(value, dict):
        for key, item in value.items():
            check(key)
            check(item)
    elif isinstance(value, list):
        for item in value:
            check(item)


def parsed(text: str) -> dict[str, object] | None:
    try:
        found = parse_object(text, "file")
    except ValueError as error:
        assert str(error).startswith("file: ") and "\n" not in str(error) and len(str(error)) < 500
        return None
    check(found)
    assert depth(found) <= MAX_DEPTH + 2
    return found


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_any_object_comes_back_or_is_refused(values: dict[str, object]) -> None:
    found = parsed(json.dumps(values))
    if found is not None:
        assert found == values


@settings(max_examples=400, deadline=None)
@given(st.one_of(PIECES, st.text(max_size=200)))
def test_any_text(text: str) -> None:
    parsed(text)
    parsed('{"a": ' + text + "}")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "file.json"
    path.write_bytes(content)
    try:
        check(read_object(path))
    except ValueError as error:
        assert "file.json" in str(error)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), min_size=1), st.sampled_from("abc"))
def test_a_key_that_appears_twice_is_never_taken(values: dict[str, int], key: str) -> None:
    pairs = [*values.items(), (key, 1)]
    text = "{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in pairs) + "}"
    assert (parsed(text) is None) == (key in values)
    assert (parsed('{"x": [' + text + "]}") is None) == (key in values)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": ' * 100_000,
        "[" * 3_900_000,
        '{"a": "' + '\\"' * 1_900_000,
        '{"a": ' + "9" * 400_000 + "}",
        '{"a": ' + "9" * 401 + "}",
        '{"a": -' + "9" * 3_000_000 + "}",
        '{"a": 1' + "0" * 3_000_000 + ".5e5}",
        "{" + ",".join(f'"{i}": 1' for i in range(20_000)) + "}",
    ],
    ids=lambda text: f"{text[:12]}-{len(text)}",
)
def test_texts_made_to_take_long_do_not(text: str) -> None:
    since = time.monotonic()
    found = parsed(text)
    assert time.monotonic() - since < 3.0
    assert found is None or len(found) == 20_000


def test_brackets_in_texts_are_no_depth() -> None:
    assert parsed(json.dumps({"a": "[" * 100 + '\\"' + "{" * 100, "b": '\\'})) is not None
    deepest = {"a": [[[[[[[[1]]]]]]]]}
    assert parsed(json.dumps(deepest)) == deepest


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/random"])
def test_a_device_is_not_read(target: str, tmp_path) -> None:
    (tmp_path / "spec.json").symlink_to(target)
    if not (tmp_path / "spec.json").exists():
        pytest.skip("no such device")
    with pytest.raises(ValueError, match=r"spec\.json: a device file"):
        read_object(tmp_path / "spec.json")
