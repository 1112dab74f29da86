"""A pack loads exactly, and anything else is refused (faults 27 to 30 and 33)."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from ctdiffusion.core.regularfile import sha256_file
from ctdiffusion.priors.packs.pack import (
    METADATA_FILE,
    WEIGHTS_FILE,
    find_packs,
    in_half_precision,
    load_pack,
    locate_pack,
    read_info,
    write_pack,
)
from priors.small_pack import INFO, small_pack, small_state
from safetensors.torch import save_file


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return small_pack(tmp_path / "small")


def edit(pack: Path, **changes: object) -> None:
    """Change fields of prior.json; None removes one."""
    values = json.loads((pack / METADATA_FILE).read_text(encoding="utf-8"))
    for name, value in changes.items():
        if value is None:
            del values[name]
        else:
            values[name] = value
    (pack / METADATA_FILE).write_text(json.dumps(values), encoding="utf-8")


def replace_weights(pack: Path, content: bytes) -> None:
    """Put other bytes in the weights' place, with the SHA-256 that fits them."""
    (pack / WEIGHTS_FILE).write_bytes(content)
    edit(pack, weights_sha256=sha256_file(pack / WEIGHTS_FILE))


def test_a_pack_comes_back_as_it_was_written(pack: Path) -> None:
    prior = load_pack(pack)
    state = prior._denoiser.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in small_state().items())
    assert prior.info.network == INFO.network
    assert prior.info.weights_sha256 == sha256_file(pack / WEIGHTS_FILE)


def test_one_flipped_bit_is_noticed(pack: Path) -> None:
    content = bytearray((pack / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (pack / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256"):
        load_pack(pack)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        os.urandom(4096),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}" + b"tail",
        struct.pack("<Q", 66) + b'{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}',
        b"PK\x03\x04" + os.urandom(256),
    ],
    ids=["empty", "short", "random", "huge header", "trailing bytes", "beyond the end", "zip"],
)
def test_damaged_weights_are_refused(pack: Path, content: bytes) -> None:
    replace_weights(pack, content)
    with pytest.raises(ValueError, match=r"safetensors|does not fit"):
        load_pack(pack)


def test_truncated_weights_are_refused(pack: Path) -> None:
    replace_weights(pack, (pack / WEIGHTS_FILE).read_bytes()[:-100])
    with pytest.raises(ValueError, match="safetensors"):
        load_pack(pack)


def test_overlapping_tensors_are_refused(pack: Path) -> None:
    header = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
    }
    text = json.dumps(header).encode()
    replace_weights(pack, struct.pack("<Q", len(text)) + text + b"\x00" * 12)
    with pytest.raises(ValueError, match="safetensors"):
        load_pack(pack)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape", "type", "nan"])
def test_every_wrong_tensor_is_named(pack: Path, fault: str) -> None:
    state = small_state()
    if fault == "missing":
        del state["stem.weight"]
    elif fault == "unexpected":
        state["extra.weight"] = torch.zeros(2)
    elif fault == "shape":
        state["stem.weight"] = state["stem.weight"][:4].contiguous()
    elif fault == "type":
        state["stem.weight"] = state["stem.weight"].double()
    else:
        state["stem.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, str(pack / WEIGHTS_FILE))
    edit(pack, weights_sha256=sha256_file(pack / WEIGHTS_FILE))
    with pytest.raises(ValueError, match=r"extra\.weight|stem\.weight"):
        load_pack(pack)


def test_half_precision_weights_take_half_the_room_and_compute_in_single(pack: Path, tmp_path: Path) -> None:
    state = small_state()
    write_pack(tmp_path / "half", INFO, in_half_precision(state))
    sizes = [(folder / WEIGHTS_FILE).stat().st_size for folder in (pack, tmp_path / "half")]
    assert sizes[1] < 0.7 * sizes[0]
    loaded = load_pack(tmp_path / "half")
    x = torch.rand((2, 16, 16), generator=torch.Generator().manual_seed(0))
    for sigma in (0.01, 0.3):
        full, half = load_pack(pack).predict_x0(x, sigma, 1.0), loaded.predict_x0(x, sigma, 1.0)
        assert half.dtype == torch.float32
        assert 0.0 < float((full - half).norm() / full.norm()) < 1e-3


def test_weights_too_large_for_half_precision_stay_as_they_are() -> None:
    state = {"small": torch.tensor([1.0, 2.0]), "large": torch.tensor([1.0, 1e6])}
    halves = in_half_precision(state)
    assert halves["small"].dtype == torch.float16
    assert torch.equal(halves["large"], state["large"])


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, "weights.pth"])
def test_a_pickle_never_runs(pack: Path, tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    bomb = pickle.dumps(Bomb(canary))
    (pack / WEIGHTS_FILE).unlink()
    (pack / name).write_bytes(bomb)
    if name == WEIGHTS_FILE:
        edit(pack, weights_sha256=sha256_file(pack / name))
    with pytest.raises(ValueError):
        load_pack(pack)
    assert not canary.exists()
    pickle.loads(bomb)
    assert canary.exists(), "the bomb itself must work, or this test proves nothing"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surprise": 1}, "surprise"),
        ({"parametrisation": {"kind": "edm", "sigma_data": 0.3}}, "parametrisation"),
        ({"parametrisation": {"kind": "edm", "sigma_data": "0.3", "mean": 0.25}}, "sigma_data"),
        ({"parametrisation": {"kind": "guess"}}, "parametrisation.kind"),
        ({"channels": 1}, "channels"),
        ({"modality": 1}, "modality"),
        ({"crop": True}, "crop"),
        ({"window": [0.0]}, "window"),
        ({"labels": [0, "1"]}, "labels"),
        ({"network": {"class": "os.system"}}, "network.class"),
        ({"network": {"class": "TripletUNet", "depth": 3}}, "depth"),
        ({"network": {"class": "$import os"}}, "network.class"),
        ({"network": {"class": ["a"]}}, "network.class"),
        ({"window": [5.0, 5.0]}, "window"),
        ({"sigma_range": [1.0, 0.1]}, "sigma_range"),
        ({"spacing_range": [0.0, 0.0]}, "spacing_range"),
        ({"quality": {"denoising_rmse": [1]}}, "quality.denoising_rmse"),
        ({"quality": {"denoising_rmse": {"0.1": 0}}}, "quality.denoising_rmse"),
        ({"quality": {"denoising_rmse": {"a": 0.1}}}, "quality.denoising_rmse"),
        ({"scan": {"views_per_turn": 5}}, "scan.views_per_turn"),
        ({"scan": {"full_views": "x"}}, "scan.full_views"),
        ({"scan": {"full_views": 0}}, "scan.full_views"),
        ({"scan": {"subset": 0}}, "scan.subset"),
        ({"scan": {"kinds": "fan"}}, "scan.kinds"),
    ],
)
def test_metadata_is_strict(pack: Path, change: dict[str, object], named: str) -> None:
    edit(pack, **change)
    with pytest.raises(ValueError, match=named.replace(".", r"\.").replace("$", r"\$")):
        load_pack(pack)


def test_expressions_in_metadata_are_only_text(pack: Path) -> None:
    edit(pack, attribution="$__import__('os').getcwd()")
    assert read_info(pack).attribution == "$__import__('os').getcwd()"


def test_metadata_that_is_not_json_is_refused(pack: Path) -> None:
    (pack / METADATA_FILE).write_bytes(b"<html>please log in</html>")
    with pytest.raises(ValueError, match="JSON"):
        load_pack(pack)


def test_archives_and_addresses_are_no_packs(tmp_path: Path) -> None:
    archive = tmp_path / "pack.zip"
    archive.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="a prior pack is a folder"):
        locate_pack(str(archive))
    with pytest.raises(ValueError, match="no pack named"):
        locate_pack("https://example.org/pack")


def test_packs_are_found_by_name_and_path(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(pack.parent))
    assert find_packs()["small"] == pack
    assert locate_pack("small") == pack
    assert locate_pack(str(pack)) == pack


def test_the_shipped_prior_loads_and_is_light_enough() -> None:
    prior = load_pack(locate_pack("ct-triplet-256"))
    assert prior.info.quality["denoising_rmse"]
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        prior.predict_x0(torch.zeros(1, 256, 256), 0.1, 1.5)
    assert counter.get_total_flops() / 2 < 5e9
