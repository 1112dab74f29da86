"""Files that are none, links, and texts that take the square of their length: refused at once, in one line."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.acquisition.measured.adapters import adapted
from ctdiffusion.acquisition.measured.read import read_projections
from ctdiffusion.commands import main as cli

pytestmark = pytest.mark.skipif(os.name != "posix", reason="special files of POSIX")
VIEWS, COLUMNS = 12, 20
DATA = np.tile(0.04 * np.sqrt(np.maximum(64.0 - (np.arange(COLUMNS) - 9.5) ** 2, 0.0)), (VIEWS, 1))


def scan(folder: Path, name: str = "scan", file: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez(folder / f"{name}.npz", sinogram=DATA)
    values = {
        "format": "ctdiffusion-projections", "version": 1, "file": file or f"{name}.npz", "data": "sinogram",
        "axes": ["view", "column"], "values": "line-integrals", "angles": {"step": 30, "count": VIEWS, "unit": "deg"},
        "geometry": {"kind": "parallel"},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(values))
    return folder / f"{name}.json"


@pytest.fixture(params=["pipe", "device", "socket", "folder"])
def special(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Something that is no regular file."""
    path = tmp_path / "special"
    monkeypatch.chdir(tmp_path)
    if request.param == "socket":
        with socket.socket(socket.AF_UNIX) as there:
            there.bind("special")
            yield path
        return
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    yield path


@pytest.mark.parametrize("suffix", [".json", ".npz", ".h5", ".nrrd", ".mha", ""])
def test_a_special_file_is_no_scan(special: Path, suffix: str) -> None:
    path = special.rename(special.with_suffix(suffix)) if suffix else special
    with pytest.raises(ValueError, match=f"{path.name}: a (pipe|device file|socket|folder), not a regular file"):
        read_projections(path)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".nrrd"])
def test_a_special_file_is_no_data_file(special: Path, suffix: str, tmp_path: Path) -> None:
    data = special.rename(special.with_suffix(suffix))
    with pytest.raises(ValueError, match=r"scan\.json\.file: .*(not a regular file|outside)"):
        read_projections(scan(tmp_path, file=data.name))


@pytest.mark.parametrize("kind", ["projections", "volume", "angles", "superres"])
def test_the_command_refuses_a_special_file(
    special: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if special.is_dir():
        pytest.skip("a folder may be a DICOM series")
    good = tmp_path / "good.nrrd"
    good.write_bytes(b"not looked at")
    out = ["-o", str(tmp_path / "out")]
    arguments = {
        "projections": ["reconstruct", str(special), "--measured", "--method", "fbp", *out],
        "volume": ["reconstruct", str(special), "--views", "8", "--method", "fbp", *out],
        "angles": ["reconstruct", str(good), "--angles-deg", str(special), "--method", "fbp", *out],
        "superres": ["superres", str(special), "--method", "linear", "--factor", "2", *out],
    }[kind]
    start = time.perf_counter()
    assert cli.main(arguments) == 2
    assert time.perf_counter() - start < 20.0
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and "not a regular file" in shown.err and str(special) in shown.err
    assert not (tmp_path / "out").exists()


def test_names_that_no_file_can_have_end_with_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dangling.json").symlink_to("nothing.json")
    (tmp_path / "round.json").symlink_to("round.json")
    for name in ("x" * 5000 + ".json", str(tmp_path / "dangling.json"), str(tmp_path / "round.json")):
        assert cli.main(["reconstruct", name, "--method", "fbp", "-o", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()
    for file in ("y" * 5000 + ".npz", "a\0b.npz"):
        with pytest.raises(ValueError, match=r"scan\.json\.file: .*"):
            read_projections(scan(tmp_path, file=file))


def test_a_list_of_angles_is_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "angles.txt").write_text("1 " * 3_000_000)
    (tmp_path / "good.nrrd").write_bytes(b"not looked at")
    out = ["--method", "fbp", "-o", str(tmp_path / "out")]
    path = str(tmp_path / "good.nrrd")
    assert cli.main(["reconstruct", path, "--angles-deg", str(tmp_path / "angles.txt"), *out]) == 2
    assert "6,000,000 bytes, more than" in capsys.readouterr().err
    (tmp_path / "angles.txt").write_bytes(b"\xff\xfe1")
    assert cli.main(["reconstruct", path, "--angles-deg", str(tmp_path / "angles.txt"), *out]) == 2
    assert "not UTF-8 text" in capsys.readouterr().err


def test_a_geometry_file_is_bounded_and_has_no_key_twice(tmp_path: Path) -> None:
    path = scan(tmp_path)
    path.write_text(path.read_text()[:-1] + ', "version": 1}')
    with pytest.raises(ValueError, match="the key version appears twice"):
        read_projections(path)
    with path.open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(ValueError, match="60,000,000 bytes, more than"):
        read_projections(path)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"version": ' + "1" * 20_000 + "}", r"number out of range \(20000 digits\)"),
        ('{"mu_water_per_mm": NaN}', "NaN is not a finite number"),
        ("[]", "expected an object, got list"),
        ("\ufeff{}", "not JSON"),
        ("", "not JSON"),
    ],
)
def test_a_geometry_file_is_read_as_strictly_as_every_json(tmp_path: Path, written: str, said: str) -> None:
    path = scan(tmp_path)
    path.write_text(written, encoding="utf-8")
    with pytest.raises(ValueError, match=f"^scan.json: {said}") as caught:
        read_projections(path)
    assert "\n" not in str(caught.value) and "set_int_max" not in str(caught.value)


def same(path: Path) -> bool:
    return bool(np.allclose(read_projections(path).projections.data[0], DATA, atol=1e-6))


def test_a_data_file_is_accepted_through_the_link_that_the_user_named(tmp_path: Path) -> None:
    store, here = tmp_path / "store", tmp_path / "here"
    here.mkdir()
    scan(store)
    (here / "scan.npz").symlink_to(store / "scan.npz")
    # The geometry beside the file that the link leads to, then beside the link, then through a link of its own.
    assert same(here / "scan.npz")
    (here / "scan.json").write_text((store / "scan.json").read_text())
    assert same(here / "scan.npz")
    (here / "scan.json").unlink()
    (here / "scan.json").symlink_to(store / "scan.json")
    assert same(here / "scan.npz")
    (here / "other.npz").symlink_to(store / "scan.npz")
    assert same(here / "other.npz")
    # As annexed files are: their real names say nothing.
    (store / "scan.npz").rename(store / "SHA256E-1")
    (here / "scan.npz").unlink()
    (here / "scan.npz").symlink_to(store / "SHA256E-1")
    assert same(here / "scan.npz")


def test_a_geometry_file_is_accepted_through_a_link(tmp_path: Path) -> None:
    scan(tmp_path / "store")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.json").symlink_to(tmp_path / "store" / "scan.json")
    assert same(tmp_path / "here" / "mine.json")


def test_a_link_out_of_the_folder_that_only_the_description_names_is_not_followed(tmp_path: Path) -> None:
    scan(tmp_path / "store")
    path = scan(tmp_path / "here")
    (tmp_path / "here" / "scan.npz").unlink()
    (tmp_path / "here" / "scan.npz").symlink_to(tmp_path / "store" / "scan.npz")
    with pytest.raises(ValueError, match="outside the folder of the geometry file; not followed"):
        read_projections(path)
    (tmp_path / "here" / "named.npz").symlink_to(tmp_path / "store" / "scan.npz")
    (tmp_path / "here" / "named.json").write_text(path.read_text())
    with pytest.raises(ValueError, match="outside the folder"):
        read_projections(tmp_path / "here" / "named.npz")


@pytest.mark.parametrize(
    "centre", ["1" * 20_000 + "x", "1" * 400, " " * 20_000 + "x", "." * 20_000, "1" * 20_000 + ".e"]
)
def test_a_rotation_centre_of_many_digits_takes_no_time(tmp_path: Path, centre: str) -> None:
    values = {"name": "scan", "file": "scan.h5", "rotation_center_pixel": centre}
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"scan\.json\.rotation_center_pixel: must be(gin with)? a number"):
        adapted(values, tmp_path / "scan.json")
    values = {**values, "rotation_center_pixel": 3, "log_transformed": True, "scale": centre}
    if len(centre) > 500:
        with pytest.raises(ValueError, match=r"scan\.json\.scale: must be a number or a text of at most"):
            adapted(values, tmp_path / "scan.json")
    assert time.perf_counter() - start < 2.0


@pytest.mark.parametrize("name", ["scan.tif", "scan.TIFF", "scan.nii", "scan.csv", "scan"])
def test_other_kinds_of_file_are_called_what_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"II*\0")
    wanted = "TIFF images of projections are not read; save" if "tif" in name.lower() else "not a file of projections"
    with pytest.raises(ValueError, match=wanted):
        read_projections(tmp_path / name)
    with pytest.raises(ValueError, match=wanted):
        read_projections(scan(tmp_path, "named", name))
