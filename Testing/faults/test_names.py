"""Names that lead nowhere, are too long or belong to something else: exit code 2, one line, and nothing is left."""

from __future__ import annotations

import os
import sys

import pytest
from ctdiffusion.commands import main as cli
from ctdiffusion.core.badinput import blames_input
from job_helpers import make_input, make_job

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
FBP = ["--method", "fbp", "--geometry", "parallel", "--views", "5"]


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(capsys, arguments):
    capsys.readouterr()
    assert cli.main(["reconstruct", *map(str, arguments)]) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in said
    return lines[0]


@pytest.mark.parametrize("deep", ["", "new/newer/"])
@pytest.mark.parametrize(
    "name", ["x" * 300, "x" * 300 + ".nrrd", "x" * 245 + ".nii.gz", "dangling", "loop", "file/job", "pipe", "pipe.nrrd"]
)
def test_places_where_no_result_can_go(tmp_path, capsys, name, deep):
    source = make_input(tmp_path / "in")
    place = tmp_path / "place"
    place.mkdir()
    (place / "dangling").symlink_to("nothing")
    (place / "loop").symlink_to("loop")
    (place / "file").write_text("mine")
    for pipe in ("pipe", "pipe.nrrd"):
        os.mkfifo(place / pipe)
    if deep and not name.startswith("x"):
        pytest.skip("the same as without")
    before = tree(tmp_path)
    refused(capsys, [source, *FBP, "-o", place / deep / name])
    assert tree(tmp_path) == before
    assert (place / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", ["pipe", "socket", "dangling", "loop", "folder", "long", "missing", "device", "empty"])
@pytest.mark.parametrize("out", ["new/newer/job", "made", "file.nrrd"])
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_inputs_that_are_none(tmp_path, monkeypatch, capsys, kind, out, suffix):
    import socket

    monkeypatch.chdir(tmp_path)
    path = f"input{suffix}"
    (tmp_path / "made").mkdir()
    sockets = []
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[0].bind(path)
    elif kind in ("dangling", "loop"):
        os.symlink("nothing" if kind == "dangling" else path, path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "device":
        os.symlink("/dev/null", path)
    elif kind == "empty":
        (tmp_path / path).touch()
    elif kind == "long":
        path = "x" * 300 + suffix
    before = tree(tmp_path)
    refused(capsys, [path, *FBP, "-o", out])
    assert tree(tmp_path) == before
    for each in sockets:
        each.close()


def test_a_refused_job_leaves_neither_the_folder_nor_its_parents(tmp_path, capsys):
    source = make_input(tmp_path / "in")
    before = tree(tmp_path)
    refused(capsys, [source, *FBP, "--slices", "90:99", "-o", tmp_path / "a" / "b" / "c"])
    assert tree(tmp_path) == before
    (tmp_path / "a").mkdir()
    refused(capsys, [source, *FBP, "--slices", "90:99", "-o", tmp_path / "a" / "b" / "c"])
    assert tree(tmp_path) == sorted([*before, "a"]), "a folder that was there stays"


def test_which_errors_blame_the_input(tmp_path):
    job = make_job(tmp_path / "job")
    inside, outside = str(job.path / "status.json"), str(tmp_path / "input.nrrd")
    assert blames_input(PermissionError(13, "Permission denied", outside), job.path)
    assert not blames_input(PermissionError(13, "Permission denied", inside), job.path)
    assert not blames_input(FileNotFoundError(2, "No such file", str(job.path)), job.path)
    assert not blames_input(OSError(28, "No space left on device", outside), job.path)
    assert not blames_input(OSError(5, "Input/output error", outside), job.path)
    assert blames_input(OSError(36, "File name too long", outside))
    assert blames_input(ValueError("spec.views"))
    assert not blames_input(RuntimeError("x")) and not blames_input(MemoryError())
