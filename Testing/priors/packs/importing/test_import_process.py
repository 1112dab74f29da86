"""A checkpoint becomes a pack in a process of its own, whole or not at all; hostile files are refused unrun."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ctdiffusion.commands import main as cli
from ctdiffusion.core.regularfile import sha256_file
from ctdiffusion.priors.cold import load_restorer
from ctdiffusion.priors.packs.importing import child, convert
from ctdiffusion.priors.packs.importing.convert import ImportOptions, import_prior
from ctdiffusion.priors.packs.pack import load_pack, read_info
from ctdiffusion.priors.vp import noise_levels
from priors.packs.importing.checkpoints import prefixed, random_network, save, score_sde
from priors.small_pack import small_pack
from shared_data import shared

SMALL = {"class": "ADMUNet", "width": 32, "multipliers": [1, 2], "blocks": 1, "attention_levels": []}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CTDIFFUSION_PRIORS", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in the test's own process: starting another one takes seconds."""
    monkeypatch.setattr(child, "limit", lambda *_: None)

    monkeypatch.setattr(convert, "exit_code", lambda command, *_: child.main(command[3:]))


def small_checkpoint(folder: Path) -> Path:
    return save(prefixed(random_network(SMALL)), folder / "small.pt")


def stored(name: str) -> dict[str, torch.Tensor]:
    with np.load(shared(f"checkpoints/{name}_io.npz")) as values:
        return {key: torch.from_numpy(values[key]) for key in values if key != "config"}


def test_a_score_network_denoises_by_tweedies_formula(store: Path, in_process: None) -> None:
    options = ImportOptions(image_size=64, spacing=(1.0, 2.0), despite_trial=True)
    done = import_prior(shared("checkpoints/iscs.pth"), options)
    info = read_info(store / "iscs-ct")
    assert (info.modality, info.domain, info.channels, info.crop) == ("CT", "image", 1, 64)
    assert info.sigma_range == (pytest.approx(0.01), pytest.approx(378.0))
    assert info.window == (-1000.0, 1600.0)
    assert info.origin["source_sha256"] == sha256_file(shared("checkpoints/iscs.pth"))
    assert (info.origin["file"], info.origin["layout"]) == ("iscs.pth", "score_sde")
    assert done.folder == store / "iscs-ct"
    assert not any("pixel size" in text for text in done.assumed), "the spacing was given"
    io, prior = stored("iscs"), load_pack(done.folder)
    for x, sigma, score in zip(io["arg0"], io["arg1"], io["output"], strict=True):
        estimate = prior.predict_stacks(x[None], 0, float(sigma), 1.5)[0]
        expected = x + sigma**2 * score
        assert float((estimate - expected).norm()) < 1e-5 * float((sigma**2 * score).norm())


@pytest.mark.parametrize(("name", "low"), [("dds", 0.0), ("diffusionblend", -1.0)])
def test_a_noise_network_denoises_at_its_timesteps(store: Path, in_process: None, name: str, low: float) -> None:
    done = import_prior(shared(f"checkpoints/{name}.pt"), ImportOptions(despite_trial=True))
    io, prior = stored(name), load_pack(done.folder)
    levels = noise_levels(1000, 1e-4, 0.02)
    scale = 1.0 - low
    labels = io.get("y", torch.zeros(2, dtype=torch.int64))
    assert prior.info.labels == ((1, 3) if "y" in io else (0,))
    for x_t, step, label, raw in zip(io["arg0"], io["arg1"], labels, io["output"], strict=True):
        level = float(levels[int(step)])
        u = x_t * (1.0 + level**2) ** 0.5
        expected = (u - level * raw[: len(x_t)] - low) / scale
        estimate = prior.predict_stacks(((u - low) / scale)[None], int(label), level / scale, 1.5)[0]
        assert float((estimate - expected).norm()) < 1e-4 * level / scale * float(raw[: len(x_t)].norm())


def test_a_sinogram_network_says_so(store: Path, in_process: None) -> None:
    options = ImportOptions(name="my-sinograms", licence="by letter", despite_trial=True)
    done = import_prior(shared("checkpoints/msdiff.pth"), options)
    assert (done.info.domain, done.info.licence, done.folder) == ("sinogram", "by letter", store / "my-sinograms")
    io, prior = stored("msdiff"), load_pack(done.folder)
    estimate = prior.predict_stacks(io["arg0"][1:], 0, float(io["arg1"][1]), 1.0)
    expected = io["arg0"][1:] + io["arg1"][1] ** 2 * io["output"][1:]
    assert float((estimate - expected).norm() / (estimate - io["arg0"][1:]).norm()) < 1e-5


def test_a_restoring_network_keeps_its_levels(store: Path, in_process: None) -> None:
    done = import_prior(shared("checkpoints/cvgdiff.pkl"), ImportOptions(despite_trial=True))
    info, restorer = load_restorer(done.folder)
    assert restorer.levels == (288, 234, 180, 126, 72, 54, 36, 18)
    # The network sees attenuation in 1/cm, water 0.192.
    assert info.hu_window.normalise(0.0) == pytest.approx(0.192)
    io = stored("cvgdiff")
    with torch.inference_mode():
        output = restorer(io["arg0"], io["arg1"])
    assert float((output - io["output"]).norm() / io["output"].norm()) < 1e-5


class Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


@pytest.mark.parametrize("kind", ["pickle", "torch", "torch inside a layout"])
def test_a_hostile_pickle_never_runs(
    store: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    if kind != "torch":
        request.getfixturevalue("in_process")
    canary, file = tmp_path / "canary", tmp_path / "bomb.pth"
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Bomb(canary), protocol=2))
    elif kind == "torch":
        torch.save(Bomb(canary), file)
    else:
        torch.save({**score_sde(random_network({"class": "NCSNpp", "width": 8})), "optimizer": Bomb(canary)}, file)
    assert cli.main(["priors", "import", str(file)]) == 2
    text = capsys.readouterr().err
    assert "refused, nothing of it was run" in text and text.count("\n") == 1
    assert not canary.exists()
    assert list(store.iterdir()) == []
    torch.load(file, weights_only=False) if kind != "pickle" else pickle.loads(file.read_bytes())
    assert canary.exists(), "the bomb itself must work, or this test proves nothing"


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"PK\x03\x04" + os.urandom(500), b"<html>log in</html>", b"\x80\x02}."]
)
def test_files_that_are_no_checkpoints_are_refused(
    store: Path, tmp_path: Path, in_process: None, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.pth").write_bytes(content)
    assert cli.main(["priors", "import", str(tmp_path / "file.pth")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "file.pth" in error and error.count("\n") == 1
    assert not store.exists() or list(store.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_what_is_no_regular_file_is_called_what_it_is(
    store: Path, tmp_path: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "device.pth").symlink_to("/dev/zero")
    for name, said in (("pipe.pth", "a pipe"), ("device.pth", "a device file"), ("none.pth", "no such file")):
        assert cli.main(["priors", "import", str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert f"{name}: {said}" in error and error.count("\n") == 1
    assert not store.exists() or list(store.iterdir()) == []


def test_every_difference_is_printed(
    store: Path, tmp_path: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = prefixed(random_network(SMALL))
    names = [name for name in tensors if name.startswith("middle_block.2.out_layers")]
    for name in names:
        del tensors[name]
    tensors["extra"] = torch.zeros(2)
    assert cli.main(["priors", "import", str(save(tensors, tmp_path / "broken.pt"))]) == 2
    error = capsys.readouterr().err
    assert len(names) == 4 and all(f"missing {name} " in error for name in names)
    assert "unexpected extra (2,)" in error and "5 differences" in error.splitlines()[-1]
    assert list(store.iterdir()) == []


def test_time_is_limited(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"more than 0\.2 s"):
        import_prior(small_checkpoint(tmp_path), ImportOptions(), time_limit_s=0.2)
    assert list(store.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux alone")
def test_memory_is_limited() -> None:
    code = f"from {child.__name__} import limit; limit(1000, 60); bytearray(6 << 30)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.rstrip().endswith("MemoryError")


def test_repeated_values_are_refused(store: Path, tmp_path: Path) -> None:
    checkpoint = score_sde(random_network({"class": "NCSNpp", "width": 8, "noise_levels": 4}))
    # Four bytes in the file, 2.4 GB when somebody computes with them: refused before anybody does.
    checkpoint["model"]["module.sigmas"] = torch.ones(1).expand(600_000_000)
    with pytest.raises(ValueError, match="its values are repeated"):
        import_prior(save(checkpoint, tmp_path / "wide.pth"), ImportOptions())
    assert list(store.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name, to see who is there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_converting_process_ends_with_the_one_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    endless = f"import time; from {child.__name__} import die_with_parent as die; die(); "
    endless += f"pipe = open({str(pipe)!r}, 'rb'); time.sleep(600)"
    code = f"import os, sys; from {convert.__name__} import exit_code\n"
    code += f"exit_code([sys.executable, '-c', {endless!r}], dict(os.environ), sys.stderr.buffer, 600)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        try:
            writer = _when(lambda: os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            os.write(writer, b"x")
        finally:
            parent.send_signal(number)

    def gone() -> bool:
        with pytest.raises(BrokenPipeError):
            os.write(writer, b"x")
        return True

    assert _when(gone, 20.0)
    os.close(writer)


def _when(what: Callable[[], Any], seconds: float = 100.0) -> Any:
    """What a function returns as soon as it does not fail any more."""
    end = time.monotonic() + seconds
    while True:
        try:
            return what()
        except (OSError, pytest.fail.Exception):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def test_names_are_not_taken_twice(store: Path, tmp_path: Path, in_process: None) -> None:
    file = small_checkpoint(tmp_path)
    import_prior(file, ImportOptions(name="mine", despite_trial=True))
    for name in ("mine", "ct-triplet-256"):
        with pytest.raises(ValueError, match="is there already"):
            import_prior(file, ImportOptions(name=name))
    assert [path.name for path in store.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name": "../up"}, "name"),
        ({"name": "Large"}, "name"),
        ({"layout": "zip"}, "layout"),
        ({"window": (10.0, 10.0)}, "window"),
        ({"spacing": (2.0, 1.0)}, "spacing"),
        ({"head_channels": -1}, "head_channels"),
        ({"heads": 10**6}, "heads"),
        ({"resample_filter": (1.0, 2.0)}, "resample_filter"),
        ({"resample_filter": (1.0, float("nan"), 1.0, 1.0)}, "resample_filter"),
        ({"activation": "tanh"}, "activation"),
        ({"data_range": (1.0, -1.0)}, "data_range"),
        ({"betas": (0.02, 1.5)}, "betas"),
        ({"sigma_range": (0.1, float("inf"))}, "sigma_range"),
        ({"timesteps": 1}, "timesteps"),
        ({"levels": (18, 36)}, "levels"),
        ({"labels": (-1,)}, "labels"),
    ],
)
def test_options_are_checked(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ImportOptions(**options)


def test_a_preset_of_another_layout_is_refused(store: Path, tmp_path: Path, in_process: None) -> None:
    with pytest.raises(ValueError, match="msdiff is not for a checkpoint of layout adm"):
        import_prior(small_checkpoint(tmp_path), ImportOptions(preset="msdiff"))


def test_a_network_that_does_not_denoise_is_refused_by_default(
    store: Path, tmp_path: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["priors", "import", str(small_checkpoint(tmp_path)), "--name", "noise", "--window", "-900", "900"]
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert "leaves a test image no better than it was" in error and error.count("\n") == 1
    assert "--despite-trial" in error and "--heads" in error and "--window" not in error, "the window was given"
    assert list(store.iterdir()) == []
    assert cli.main([*command, "--despite-trial"]) == 0
    assert "warning: it leaves a test image no better than it was" in capsys.readouterr().out
    assert cli.main(["priors", "check", "noise"]) == 0
    assert "warning" in capsys.readouterr().out
    assert cli.main(["priors", "check", "ct-triplet-256"]) == 0
    out = capsys.readouterr().out
    assert "noise 0.2 of a test image" in out and "warning" not in out
    assert read_info(store / "noise").window == (-900.0, 900.0)


def test_check_notices_a_flipped_bit(store: Path, tmp_path: Path, in_process: None) -> None:
    folder = import_prior(small_checkpoint(tmp_path), ImportOptions(name="mine", despite_trial=True)).folder
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(content)
    assert cli.main(["priors", "check", "mine"]) == 2


def test_only_imported_packs_are_removed(
    store: Path, tmp_path: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    import_prior(small_checkpoint(tmp_path), ImportOptions(name="mine", despite_trial=True))
    small_pack(store / "trained")
    for name, said in [("ct-triplet-256", "came with the program"), ("trained", "not imported"), ("none", "no pack")]:
        assert cli.main(["priors", "remove", name]) == 2
        assert said in capsys.readouterr().err
    (store / "mine" / "notes.txt").write_text("keep")
    assert cli.main(["priors", "remove", "mine"]) == 2
    assert "notes.txt" in capsys.readouterr().err
    (store / "mine" / "notes.txt").unlink()
    assert cli.main(["priors", "list"]) == 0
    assert "imported" in capsys.readouterr().out
    assert cli.main(["priors", "remove", "mine"]) == 0
    assert [path.name for path in store.iterdir()] == ["trained"]


def test_what_a_killed_import_left_is_swept_later(store: Path, tmp_path: Path, in_process: None) -> None:
    old, new = store / ".import-old.partial", store / ".import-new.partial"
    for folder in (old, new):
        (folder / "pack").mkdir(parents=True)
        (folder / "pack" / "prior.json").write_text("{}")
    os.utime(old, (1e9, 1e9))
    import_prior(small_checkpoint(tmp_path), ImportOptions(name="mine", despite_trial=True))
    assert sorted(path.name for path in store.iterdir()) == [".import-new.partial", "mine"]


def test_plain_values_of_the_optimiser_do_no_harm(store: Path, tmp_path: Path, in_process: None) -> None:
    network = random_network({"class": "NCSNpp", "width": 8, "multipliers": [1, 2], "blocks": 1})
    checkpoint = score_sde(network)
    checkpoint["optimizer"] = OrderedDict(state=OrderedDict(), param_groups=[{"betas": (0.9, 0.999), "name": None}])
    done = import_prior(save(checkpoint, tmp_path / "checkpoint_1.pth"), ImportOptions(despite_trial=True))
    assert done.info.name == "iscs-ct"
