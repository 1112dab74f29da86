"""Packs and checkpoints made to hurt: refused by name, in no time and memory, and never in the way of the others."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch
from ctdiffusion.commands import main as cli
from ctdiffusion.priors.packs import pack as packs
from ctdiffusion.priors.packs.bounds import check_description, check_tensors
from ctdiffusion.priors.packs.importing.converted import named_tensors
from ctdiffusion.priors.packs.pack import METADATA_FILE, WEIGHTS_FILE, build_network, load_pack, read_info
from hypothesis import given, settings
from hypothesis import strategies as st
from priors.small_pack import INFO, small_pack


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packs with a good one, `small`."""
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(tmp_path))
    small_pack(tmp_path / "small")
    return tmp_path


def good_values(store: Path) -> dict[str, object]:
    return json.loads((store / "small" / METADATA_FILE).read_text(encoding="utf-8"))


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The lines of `priors list` by the pack's name."""
    capsys.readouterr()
    assert cli.main(["priors", "list"]) == 0
    return {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}


DEEP = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
TEXTS = {
    "deep": (DEEP, "nested too deeply"),
    "deep-objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    "nan": ('{"window": [NaN, 1]}', "NaN is not a finite number"),
    "twice": ('{"name": "a", "name": "b"}', "appears twice"),
    "digits": ('{"crop": ' + "9" * 5000 + "}", "number out of range"),
    "not-text": (b"\xff\xfe", "not UTF-8"),
    "list": ("[1]", "expected an object"),
    "large": (" " * 1_000_001, "more than"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_metadata(store: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    content, message = TEXTS[name]
    (store / name).mkdir()
    (store / name / METADATA_FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    lines = listed(capsys)
    assert "damaged" not in lines["small"]
    assert "damaged" in lines[name] and message in lines[name]
    for action in ("check", "show"):
        assert cli.main(["priors", action, name]) == 2
        assert message in capsys.readouterr().err


VALUES = [10**400, -(10**400), 2**63, True, None, "x", [], {}, [[]], "9" * 5000, [1, 2, 3], "a\nb", 1e308, -1, 0.5]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:12].replace("\n", "-"))
def test_a_wrong_value_of_any_field(store: Path, capsys: pytest.CaptureFixture[str], value: object) -> None:
    values = good_values(store)
    for name in values:
        (store / f"bad-{name}").mkdir()
        text = json.dumps({**values, name: value})
        (store / f"bad-{name}" / METADATA_FILE).write_text(text, encoding="utf-8")
    lines = listed(capsys)
    assert "damaged" not in lines["small"]
    assert set(lines) >= {f"bad-{name}" for name in values}
    for name in values:
        # Nothing but a ValueError of one line, also where the field is free.
        try:
            load_pack(store / f"bad-{name}")
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 700


@pytest.mark.skipif(os.name != "posix", reason="special files of POSIX")
def test_special_files_in_a_pack(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pipe", "device", "loop", "folder"):
        (store / name).mkdir()
    os.mkfifo(store / "pipe" / METADATA_FILE)
    (store / "device" / METADATA_FILE).symlink_to("/dev/zero")
    (store / "loop" / METADATA_FILE).symlink_to(METADATA_FILE)
    (store / "folder" / METADATA_FILE).mkdir()
    lines = listed(capsys)
    assert "a pipe" in lines["pipe"] and "a device file" in lines["device"] and "a folder" in lines["folder"]
    assert "damaged" not in lines["small"]
    os.replace(store / "small" / WEIGHTS_FILE, store / "weights")
    os.mkfifo(store / "small" / WEIGHTS_FILE)
    assert cli.main(["priors", "check", "small"]) == 2
    assert "a pipe, not a regular file" in capsys.readouterr().err


def test_the_weights_that_were_hashed_are_those_that_are_used(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced, or written to, right after it has been read."""
    path = store / "small" / WEIGHTS_FILE
    before = load_pack(store / "small")._denoiser.state_dict()
    original = packs.tensors_in

    def swapped(header: bytes, data: bytearray) -> object:
        path.write_bytes(bytes(path.stat().st_size))
        return original(header, data)

    monkeypatch.setattr(packs, "tensors_in", swapped)
    after = load_pack(store / "small")._denoiser.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


HUGE = [
    {"class": "TripletUNet", "widths": [8, 8], "blocks": [10_000_000, 1]},
    {"class": "TripletUNet", "widths": [8] * 300_000, "blocks": [1] * 300_000},
    {"class": "TripletUNet", "widths": [8, 8], "blocks": [1, 1], "labels": 10**12},
    {"class": "TripletUNet", "widths": [8, 8], "blocks": [1, 1], "condition": 10**9},
    {"class": "TripletUNet", "widths": [8, 8], "blocks": [64, 64], "unshuffle": 10**6},
    {"class": "TripletUNet", "widths": [], "blocks": []},
    {"class": "ColdUNet", "widths": [8, 8], "blocks": [1, 1], "levels": [3] * 2_000_000},
    {"class": "NCSNpp", "blocks": 10_000_000},
    {"class": "NCSNpp", "noise_levels": 10**15},
    {"class": "NCSNpp", "multipliers": [1] * 5000},
    {"class": "NCSNpp", "multipliers": [], "blocks": 1},
    {"class": "DDPMUNet", "blocks": 300_000},
    {"class": "DDPMUNet", "width": 10**30},
    {"class": "DDPMUNet", "multipliers": [1e300]},
    {"class": "ADMUNet", "blocks": 300_000},
    {"class": "ADMUNet", "width": 32, "multipliers": [1] * 10, "blocks": 64},
    {"class": "ADMUNet", "width": 256, "multipliers": [10**9]},
    {"class": "DiffusersUNet", "config": {"layers_per_block": 10_000_000}},
    {"class": "DiffusersUNet", "config": {"block_out_channels": [32] * 100_000}},
    {"class": "ByLabel", "members": [{"class": "DDPMUNet", "blocks": 300_000}, {"class": "DDPMUNet"}]},
    {"class": "ByLabel", "members": [{"class": "DDPMUNet"}] * 100_000},
    {"class": "ByLabel", "members": [{"class": ["DDPMUNet"]}, {"class": {}}]},
]


@pytest.mark.parametrize("network", HUGE, ids=lambda network: f"{network['class']}-{str(network)[-25:-2]}")
def test_a_network_beyond_all_bounds_is_never_built(
    store: Path, capsys: pytest.CaptureFixture[str], network: dict[str, object]
) -> None:
    since = time.monotonic()
    with pytest.raises(ValueError, match="network") as caught, torch.device("meta"):
        build_network(network, "checkpoint")
    assert time.monotonic() - since < 1.0
    assert len(str(caught.value)) < 300
    text = json.dumps({**good_values(store), "network": network})
    if len(text) < packs.LARGEST_METADATA:
        (store / "huge").mkdir()
        (store / "huge" / METADATA_FILE).write_text(text, encoding="utf-8")
        with pytest.raises(ValueError):
            load_pack(store / "huge")
        lines = listed(capsys)
        assert "damaged" not in lines["small"] and "damaged" in lines["huge"]


def test_every_published_network_is_within_the_bounds() -> None:
    from ctdiffusion.priors.packs.importing.presets import PRESETS

    for preset in PRESETS.values():
        check_description(preset.network)
    for folder in packs.find_packs().values():
        read_info(folder)
    check_description(INFO.network)
    # What diffusers builds by default, and DM4CT's own.
    check_description({"class": "DiffusersUNet", "config": {"block_out_channels": [224, 448, 672, 896]}})
    check_description({"class": "ADMUNet", "width": 256, "multipliers": [0.5, 1, 1, 2, 2, 4, 4], "blocks": 2})


def test_repeated_values_are_refused_before_they_take_memory() -> None:
    one = torch.zeros(1)
    wide = one.expand(450_000_000)
    assert wide.numel() * 4 == 1_800_000_000
    for name, tensor in (("a", wide), ("b", one.expand(3, 1000)), ("c", torch.arange(9.0).as_strided((5, 5), (1, 1)))):
        with pytest.raises(ValueError, match=f"^{name}: .*values are repeated"):
            named_tensors({name: tensor}, "the checkpoint")
    with pytest.raises(ValueError, match="values are repeated"):
        check_tensors([wide])
    named_tensors({"part": torch.arange(10.0)[2:5], "turned": torch.zeros(3, 4).T, "none": torch.zeros(0)}, "x")
    with pytest.raises(ValueError, match="20001 tensors"):
        check_tensors([one] * 20_001)
    big = torch.empty(250_000_001 * 4, dtype=torch.int8)
    with pytest.raises(ValueError, match="4000000000 bytes"):
        check_tensors([big])


def test_layer_numbers_of_300000_are_refused_at_once(tmp_path: Path, store: Path) -> None:
    """Names alone, as a checkpoint has them."""
    from ctdiffusion.priors.packs.importing import adm, cvgdiff
    from ctdiffusion.priors.packs.importing.converted import Settings

    tensors = {
        "time_embed.0.weight": torch.zeros(128, 32),
        "input_blocks.0.0.weight": torch.zeros(32, 1, 3, 3),
        "input_blocks.1.0.in_layers.2.weight": torch.zeros(32, 32, 3, 3),
        "input_blocks.1.0.emb_layers.1.weight": torch.zeros(64, 128),
        "out.2.weight": torch.zeros(1, 32, 3, 3),
        "output_blocks.300000.0.in_layers.0.weight": torch.zeros(1),
    }
    since = time.monotonic()
    with pytest.raises(ValueError, match="blocks"):
        adm.convert(tensors, Settings())
    ddpm = {"conv_in.weight": torch.zeros(32, 1, 3, 3), "down.0.block.0.conv1.weight": torch.zeros(32, 32, 3, 3)}
    with pytest.raises(ValueError, match="blocks"):
        cvgdiff.convert({**ddpm, "down.0.block.300000.conv1.weight": torch.zeros(1)}, Settings())
    with pytest.raises(ValueError, match="300001 levels"):
        cvgdiff.convert({**ddpm, "down.300000.block.0.conv1.weight": torch.zeros(1)}, Settings())
    assert time.monotonic() - since < 2.0


INTEGERS, FLOATS = st.integers(-(10**30), 10**30), st.floats(allow_nan=False)
NUMBERS = st.one_of(INTEGERS, FLOATS, st.integers(1, 5), st.booleans(), st.none(), st.text(max_size=5))
PLAIN = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4), max_leaves=6)
SIZES = ("widths", "blocks", "labels", "unshuffle", "condition", "slices", "levels", "width", "multipliers", "channels")
NAMES = st.sampled_from([*SIZES, "heads", "outputs", "noise_levels", "members", "config"])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([*packs.NETWORKS, "ByLabel", "x"]),
    st.dictionaries(NAMES, PLAIN, max_size=4),
)
def test_any_description_is_built_or_refused(name: str, arguments: dict[str, object]) -> None:
    since = time.monotonic()
    try:
        with torch.device("meta"):
            build_network({"class": name, **arguments}, "test")
    except ValueError:
        pass
    assert time.monotonic() - since < 20.0


def test_the_process_stays_small() -> None:
    """All of the above in one process: no gigabyte was ever taken."""
    if sys.platform == "win32":
        pytest.skip("POSIX")
    import resource

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4_000_000
