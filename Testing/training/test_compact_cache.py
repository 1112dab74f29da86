"""Compact caches: coded slices come back exactly, in steps of some HU, and training reads them as any other."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.commands.train import add_arguments
from ctdiffusion.training import run as command
from ctdiffusion.training.cache import read_cache, write_cache
from ctdiffusion.training.coded import step_for
from ctdiffusion.training.compact import decode, encode
from ctdiffusion.training.sources import volumes_of
from training.random_volumes import write_volume


def body(noise: float, slices: int = 3, side: int = 96) -> np.ndarray:
    """A disc of 40 HU in air with noise, int16 HU."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:side, :side] - side / 2
    clean = np.where(np.hypot(x, y) < 0.4 * side, 40.0, -1000.0)
    return np.rint(clean + noise * random.standard_normal((slices, side, side))).clip(-1024, 3071).astype(np.int16)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 11), (2, 1, 9), (2, 9, 1), (5, 40, 36)])
@pytest.mark.parametrize("highest", [1, 2, 600, 32767])
def test_any_levels_come_back(shape: tuple[int, int, int], highest: int) -> None:
    levels = np.random.default_rng(0).integers(0, highest + 1, shape)
    assert np.array_equal(decode(encode(levels), *shape[1:]), levels)


def test_what_cannot_be_coded_or_decoded_is_refused() -> None:
    for wrong in (-1, 32768):
        with pytest.raises(ValueError, match="levels"):
            encode(np.full((1, 2, 2), wrong))
    (part,) = encode(np.zeros((1, 8, 8), np.int16))
    with pytest.raises(ValueError, match="damaged"):
        decode([part[:-2]], 8, 8)
    with pytest.raises(ValueError, match="128 bytes, not 162"):
        decode([part], 9, 9)


def test_a_slice_takes_little_more_than_its_noise() -> None:
    """Gaussian noise of 20 HU in steps of 4 has an entropy of 4.4 bits a pixel, and prediction adds half a bit."""
    levels = np.rint((body(20.0, 1, 256)[:, 90:166, 90:166].astype(float) + 1024) / 4).astype(int)
    bits = 8 * len(encode(levels)[0]) / levels.size
    assert 4.4 < bits < 5.3


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_compact_cache_is_the_plain_one_in_steps(tmp_path: Path, modality: str) -> None:
    for number in range(2):
        write_volume(tmp_path / f"patient_{number:03d}.nrrd", number)
    paths = sorted(tmp_path.glob("*.nrrd"))
    write_cache(paths, tmp_path / "plain", modality)
    write_cache(paths, tmp_path / "compact", modality, 4)
    plain, compact = read_cache(tmp_path / "plain"), read_cache(tmp_path / "compact")
    assert [entry.name for entry, _ in plain] == [entry.name for entry, _ in compact]
    for (entry, array), (coded, values) in zip(plain, compact, strict=True):
        assert values.dtype == np.int16 and values.shape == array.shape
        error = values.astype(int) - array
        assert np.abs(error).max() == 2, "half a step of 4"
        assert np.all((values.astype(int) + 1024) % 4 == 0)
        assert (entry.spacing, entry.thickness, entry.contiguous) == (coded.spacing, coded.thickness, coded.contiguous)
        assert entry.sha256 != coded.sha256
    assert plain[0][0].thickness == pytest.approx(2.5)
    assert not list((tmp_path / "compact").glob("*.npy"))


def test_steps_follow_the_noise() -> None:
    assert [step_for(body(noise)) for noise in (1.0, 6.0, 12.0, 30.0)] == [4, 4, 8, 16]


def test_damage_is_named(tmp_path: Path) -> None:
    write_volume(tmp_path / "patient_001.nrrd", 1)
    write_cache([tmp_path / "patient_001.nrrd"], tmp_path / "cache", "CT", 4)
    path = tmp_path / "cache" / "patient_001.slices"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"data: .*patient_001.slices is damaged"):
        read_cache(tmp_path / "cache")
    path.write_bytes(bytes(len(content)))
    with pytest.raises(ValueError, match=r"data: .*patient_001.slices"):
        read_cache(tmp_path / "cache")
    (tmp_path / "cache" / "index.json").write_text(json.dumps([{"nonsense": 1}]))
    with pytest.raises(ValueError, match=r"index.json is not the index of a cache"):
        read_cache(tmp_path / "cache")


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_prepares_one_and_trains_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, ready = tmp_path / "data", tmp_path / "ready"
    data.mkdir()
    write_volume(data / "patient_001.nrrd", 1)
    assert command.main(arguments("ct-triplet-256", "--data", str(data), "--prepare", str(ready))) == 0
    assert "compact cache of" in capsys.readouterr().out
    ((entry, array),) = volumes_of([ready], tmp_path / "none", "CT")
    assert entry.step == 4 and array.shape == (5, 40, 36)
    for words, text in (
        (("--data", str(data), "--prepare", str(ready)), "prepare: .* is not empty"),
        (("--data", str(ready), "--prepare", str(tmp_path / "b")), "is a cache already"),
        (("--data", str(tmp_path / "c"), "--prepare", str(tmp_path / "b")), "data: no folder"),
        (("--prepare", str(tmp_path / "b")), "data: no NIfTI"),
        (("--data", str(data), "--hu-step", "-1", "--prepare", str(tmp_path / "b")), "hu-step"),
    ):
        with pytest.raises(ValueError, match=text):
            command.main(arguments("ct-triplet-256", *words))
    assert not (tmp_path / "b").exists()
