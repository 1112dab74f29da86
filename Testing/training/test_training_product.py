"""Training as a product: whose prior it is, progress, crash and resume, stopping, pictures, verdict, held out."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import signal
import struct
import threading
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ctdiffusion.commands.train import add_arguments
from ctdiffusion.priors.packs.pack import read_info
from ctdiffusion.training import biography, loop
from ctdiffusion.training import run as command
from ctdiffusion.training.biography import NO_LICENCE, Stated, asked, inheriting
from ctdiffusion.training.checkpoint import load_checkpoint
from ctdiffusion.training.loop import LoopSettings, train
from ctdiffusion.training.png import montage, write_png
from ctdiffusion.training.progress import Teller, told
from ctdiffusion.training.recipes import recipe_named, recipes
from ctdiffusion.training.stopping import Stopped
from ctdiffusion.training.triplet_task import TripletTask
from priors.small_pack import INFO, small_pack
from training.random_volumes import write_volume


class QuickTask(TripletTask):
    """Without the reconstructions of the card."""

    def card(self, recipe: Any, network: torch.nn.Module, validation: Any) -> dict[str, Any]:
        tried = {"p": {"fbp": 20.0, "tv": 22.0, "dds": 19.0}}
        return {"denoising_rmse": {"0.1": 0.05}, "dds_psnr_db": tried}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(recipe_named("ct-triplet-256"), network=INFO.network, crop=16, held_out=0.25, task=QuickTask())
    monkeypatch.setattr(command, "recipe_named", lambda name: recipe)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        write_volume(folder / f"patient_{number:03d}.nrrd", number)
    return folder


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return command.main(parser.parse_args(["ct-triplet-256", *words]))


def test_private_images_do_not_become_somebody_elses(data: Path, tmp_path: Path) -> None:
    assert run("--data", str(data), "--out", str(tmp_path / "mine"), "--steps", "1", "--batch", "1") == 0
    info = read_info(tmp_path / "mine")
    said = json.dumps([info.training_data, info.licence, info.attribution])
    for theirs in ("LIDC", "TCIA", "CC-BY", "CC BY", "Cancer Imaging", "pyradiomics"):
        assert theirs not in said
    assert info.name == "mine" and info.licence == NO_LICENCE and info.body_parts == ()
    assert info.training_data == ("2 volumes of 2 patients that whoever trained it did not name",)


def test_a_pack_says_what_was_said_of_it(data: Path, tmp_path: Path) -> None:
    begin = small_pack(tmp_path / "begin")
    words = ("--data", str(data), "--out", str(tmp_path / "own"), "--steps", "1", "--batch", "1", "--init", str(begin))
    said = ("--name", "ward-7", "--licence", "internal", "--attribution", "Ward 7.", "--body-parts", "hand", "foot")
    assert run(*words, *said, "--data-name", "Ward 7, 2024 (internal)", "Ward 8 (internal)") == 0
    info = read_info(tmp_path / "own")
    assert (info.name, info.version) == ("ward-7", "1")
    assert info.training_data == ("Ward 7, 2024 (internal)", "Ward 8 (internal)", "none")
    assert info.licence == "internal (own data) and Apache-2.0 (of small, from which it started)"
    assert info.attribution == "Ward 7. Started from small: none"
    assert info.body_parts == ("phantom", "hand", "foot")


def test_no_recipe_knows_whose_images_it_gets() -> None:
    for recipe in recipes().values():
        about = biography.biography(Stated(), "x", 1, 1)
        assert recipe.task.info(recipe, about).training_data == about.training_data
        assert not {"training_data", "licence", "attribution"} & set(vars(recipe))


def test_an_own_pack_trained_on_is_its_next_version() -> None:
    start = replace(INFO, version="2", licence="CC-BY-4.0", attribution="A.")
    again = inheriting(replace(INFO, licence="CC-BY-4.0", attribution="A.", training_data=("new", "none")), start)
    assert (again.version, again.licence, again.attribution) == ("3", "CC-BY-4.0", "A.")
    assert again.training_data == ("new", "none")
    assert inheriting(replace(INFO, name="other"), start).version == "1"


def test_a_terminal_is_asked_for_what_was_not_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["ward 9; ward 10", "", "Ask us.", "knee"])
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return next(answers)

    found = asked(Stated(name="given"), "out", ask)
    assert found == Stated("given", ("ward 9", "ward 10"), "", "Ask us.", ("knee",))
    assert len(questions) == 4 and "licence" in questions[1]

    def closed(question: str) -> str:
        raise EOFError

    assert asked(Stated(licence="L"), "out", closed) == Stated(licence="L")
    # A terminal that asks, from the command itself; what cannot be trained on is refused before it does.
    terminal = SimpleNamespace(isatty=lambda: True, write=lambda text: None, flush=lambda: None)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    monkeypatch.setattr(command, "asked", lambda stated, name: replace(stated, name="two words"))
    with pytest.raises(ValueError, match=r"^name: letters"):
        run("--data", str(data), "--out", str(tmp_path / "out"))
    with pytest.raises(ValueError, match=r"^data: no folder"):
        run("--data", str(tmp_path / "missing"), "--out", str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["", "two words", "../up", "a" * 65])
def test_names_that_no_folder_can_have_are_refused(name: str, data: Path, tmp_path: Path) -> None:
    if name:
        with pytest.raises(ValueError, match=r"^name: "):
            run("--data", str(data), "--out", str(tmp_path / "x"), "--name", name)
    with pytest.raises(ValueError, match=r"^name: a prior ct-triplet-256 is installed already"):
        run("--data", str(data), "--out", str(tmp_path / "ct-triplet-256"))
    assert not (tmp_path / "x.training").exists() and not (tmp_path / "ct-triplet-256.training").exists()


def test_nothing_finished_or_begun_is_overwritten(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    words = ("--data", str(data), "--out", str(out), "--batch", "1")
    run(*words, "--steps", "1")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(ValueError, match=r"^out: .*pack is not empty"):
        run(*words, "--steps", "1")
    with pytest.raises(ValueError, match=r"^work: .*pack.training holds a training: go on with --resume"):
        run("--data", str(data), "--out", str(tmp_path / "b"), "--work", str(tmp_path / "pack.training"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^out: .*file is a file"):
        run("--data", str(data), "--out", str(tmp_path / "file"))
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_resumed_training_remembers_its_options(data: Path, tmp_path: Path) -> None:
    out, begin = tmp_path / "pack", small_pack(tmp_path / "begin")
    words = ("--out", str(out), "--batch", "1", "--init", str(begin), "--hold-out", "patient_001", "--licence", "L")
    run("--data", str(data), *words, "--steps", "1")
    # As after a crash: nothing but the working folder is known.
    assert run("--out", str(out), "--steps", "3", "--resume") == 0
    info = read_info(out)
    assert info.licence.startswith("L (own data)") and info.quality["held_out_patients"] == ["patient_001"]
    assert load_checkpoint(tmp_path / "pack.training")[0]["step"] == 3
    for changed, text in (
        (("--batch", "2"), "batch was 1, now 2"),
        (("--seed", "5"), "seed was 0, now 5"),
        (("--hold-out", "patient_002"), "hold_out was"),
        (("--data", str(tmp_path)), "data was"),
        (("--init", "ct-triplet-256"), "init was"),
    ):
        with pytest.raises(ValueError, match=rf"^resume: {text}"):
            run("--out", str(out), "--resume", *changed)
    # 0 is an answer too, and here the one that was given before.
    assert run("--out", str(out), "--steps", "4", "--seed", "0", "--minutes", "0", "--resume") == 0
    assert json.loads((tmp_path / "pack.training" / "training.json").read_text())["minutes"] == 0


def test_patients_on_both_sides_are_held_out_and_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    val = tmp_path / "val"
    val.mkdir()
    write_volume(val / "patient_002_again.nrrd", 9)
    words = ("--data", str(data), "--batch", "1", "--steps", "1")
    run(*words, "--out", str(tmp_path / "a"), "--val", str(val), "--hold-out", "patient_000")
    assert "held out: patient_000, patient_002; judged by: patient_002_again" in capsys.readouterr().out
    split = json.loads((tmp_path / "a.training" / "split.json").read_text())
    assert split["training"] == ["patient_001"] and split["held_out_patients"] == ["patient_000", "patient_002"]
    with pytest.raises(ValueError, match=r"^hold-out: no patient nobody .*there are: patient_000"):
        run(*words, "--out", str(tmp_path / "b"), "--hold-out", "nobody")
    with pytest.raises(ValueError, match=r"^val: no folder"):
        run(*words, "--out", str(tmp_path / "b"), "--val", str(tmp_path / "missing"))


class Numbers(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"x": torch.tensor([float(index % 7)])}


def loss(network: torch.nn.Module, batch: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    return (network(batch["x"] + torch.randn(batch["x"].shape, generator=generator)) - batch["x"]).square().mean()


def linear(
    folder: Path,
    loss_function: Any = loss,
    resume: bool = False,
    report: Any = None,
    judge: Any = None,
    **settings: Any,
) -> Any:
    torch.manual_seed(0)
    values = {"steps": 12, "batch": 2, "warmup": 2, "checkpoint_minutes": 0.0, "report_seconds": 0.0, **settings}
    network = torch.nn.Linear(1, 1)
    report = report or (lambda text: None)
    return train(network, Numbers(), loss_function, LoopSettings(**values), folder, resume, report, judge=judge)


def test_progress_tells_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(float(k) for k in range(10_000))
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    lines: list[str] = []
    linear(tmp_path, report=lines.append, checkpoint_minutes=99.0, steps=40, log_seconds=20.0)
    assert len(lines) == 40 and all(" left" in line and "loss" in line for line in lines)
    left = [line.split("spent, ")[1].split(" left")[0] for line in lines]
    seconds = [int(text.split(":")[0]) * 60 + int(text.split(":")[1]) for text in left]
    assert seconds[-1] == 0 and all(a > b for a, b in pairwise(seconds[5:]))
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert 3 < len(rows) < 12 and int(rows[-1]["step"]) == 40
    first = told(3, 3700.0, None, 0.5, 1e-4)
    assert first == "step 3  1:01:40 spent, time left not known yet  loss 0.5000  rate 1.00e-04"


def test_progress_is_not_told_too_often_without_a_terminal() -> None:
    stream = io.StringIO()
    teller = Teller(stream, every=1000.0)
    for _ in range(5):
        teller.progress("on")
    teller.say("done")
    assert stream.getvalue() == "on\ndone\n"


def test_a_crash_while_writing_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    unbroken = linear(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        linear(tmp_path / "b", interrupted(7))
    path = tmp_path / "b" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said: list[str] = []
    resumed = linear(tmp_path / "b", resume=True, report=said.append)
    assert all(torch.equal(unbroken[name], value) for name, value in resumed.items())
    assert "is damaged" in said[0] and "the one before" in said[0]
    for name in ("checkpoint.pt", "checkpoint-previous.pt"):
        (tmp_path / "b" / name).write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"^resume: .*checkpoint.pt is damaged") as error:
        linear(tmp_path / "b", resume=True)
    assert "\n" not in str(error.value)


def interrupted(step: int) -> Any:
    left = {"steps": step}

    def counted(*arguments: Any) -> torch.Tensor:
        if left["steps"] == 0:
            raise KeyboardInterrupt
        left["steps"] -= 1
        return loss(*arguments)

    return counted


def test_the_log_goes_on_where_the_checkpoint_does(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        linear(tmp_path, interrupted(7), log_seconds=0.0)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("8,1.0,0.1,1e-3\n9,1.0")
    linear(tmp_path, resume=True, log_seconds=0.0)
    steps = [int(row["step"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert steps == [*range(1, 13), 12]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_a_step_and_nothing_is_lost(tmp_path: Path, number: int) -> None:
    unbroken = linear(tmp_path / "a")
    before = signal.getsignal(number)
    calls = {"count": 0}

    def signalled(*arguments: Any) -> torch.Tensor:
        calls["count"] += 1
        if calls["count"] == 5:
            os.kill(os.getpid(), number)
        return loss(*arguments)

    with pytest.raises(Stopped) as stopped:
        linear(tmp_path / "b", signalled, checkpoint_minutes=99.0)
    assert stopped.value.step == 5 and signal.getsignal(number) == before
    resumed = linear(tmp_path / "b", resume=True)
    assert all(torch.equal(unbroken[name], value) for name, value in resumed.items())


def test_training_outside_the_main_thread_takes_no_signals(tmp_path: Path) -> None:
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(linear(tmp_path)))
    thread.start()
    thread.join()
    assert done


def test_one_bad_step_is_left_out_and_many_end_it(tmp_path: Path) -> None:
    calls = {"count": 0}

    def spoilt(*arguments: Any) -> torch.Tensor:
        calls["count"] += 1
        return loss(*arguments) * (float("nan") if calls["count"] == 3 else 1.0)

    assert all(bool(torch.isfinite(value).all()) for value in linear(tmp_path / "a", spoilt).values())
    with pytest.raises(RuntimeError, match=r"^training has diverged at step"):
        linear(tmp_path / "b", lambda *a: loss(*a) * float("nan"), steps=100)


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = {"left": 4}
    write = torch.save

    def save(content: Any, file: Any) -> None:
        full["left"] -= 1
        if full["left"] > 0:
            raise OSError("No space left on device")
        write(content, file)

    monkeypatch.setattr(torch, "save", save)
    said: list[str] = []
    linear(tmp_path, report=said.append)
    assert sum("cannot be written" in text for text in said) == 3
    assert load_checkpoint(tmp_path)[0]["step"] == 12 and not list(tmp_path.glob("*.tmp"))


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    linear(tmp_path)
    with pytest.raises(ValueError, match=r"^resume: the checkpoint in .* is of another network$"):
        train(torch.nn.Linear(1, 2), Numbers(), loss, LoopSettings(steps=2), tmp_path, True)


def test_pictures_and_verdict_are_written(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--data", str(data), "--out", str(tmp_path / "pack"), "--batch", "1", "--steps", "4")
    content = (tmp_path / "pack.training" / "samples.png").read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10_000
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (5 * 260 - 4, 2 * 260 - 4), "one slice, noisy and denoised at two levels, and the draws"
    out = capsys.readouterr().out
    assert out.rstrip().endswith("verdict: below FBP on 1 of 1 volumes, as on p (19.0 against 20.0 dB): do not use")
    assert read_info(tmp_path / "pack").quality["verdict"].endswith("do not use")


def test_a_png_holds_its_pixels(tmp_path: Path) -> None:
    picture = montage([[np.full((300, 20), 0.5)], [np.zeros((4, 4)), np.ones((256, 256))]])
    assert picture.shape == (516, 516)
    assert picture[128, 128] == 128 and picture[0, 0] == 0 and picture[400, 400] == 255
    write_png(tmp_path / "a.png", picture)
    content = (tmp_path / "a.png").read_bytes()
    size = struct.unpack(">I", content[33:37])[0]
    lines = np.frombuffer(zlib.decompress(content[41 : 41 + size]), np.uint8).reshape(516, 517)
    assert np.array_equal(lines[:, 1:], picture) and not lines[:, 0].any()


def test_the_best_average_is_taken_and_all_survive_a_resume(tmp_path: Path) -> None:
    lengths: dict[str, Any] = {"ema_others": (0.5, 0.1), "learning_rate": 0.05}
    said: list[str] = []
    seen: list[float] = []

    def judge(state: Any) -> float:
        seen.append(float(state["weight"]))
        return abs(float(state["weight"]) - wanted)

    wanted = 0.0
    linear(tmp_path / "a", judge=judge, **lengths)
    assert len(seen) == 3 and len(set(seen)) > 1
    for wanted in list(seen):
        state = linear(tmp_path / "b" / str(wanted), judge=judge, report=said.append, **lengths)
        assert float(state["weight"]) == wanted
    assert "is taken" in said[-1] and "0.5: " in said[-1]
    with pytest.raises(KeyboardInterrupt):
        linear(tmp_path / "c", interrupted(7), judge=judge, **lengths)
    assert float(linear(tmp_path / "c", resume=True, judge=judge, **lengths)["weight"]) == wanted
    # Nobody to judge, or without an answer: the first.
    first = linear(tmp_path / "d", **lengths)
    assert torch.equal(linear(tmp_path / "e", judge=lambda state: math.nan, **lengths)["weight"], first["weight"])
