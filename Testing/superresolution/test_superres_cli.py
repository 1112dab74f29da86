"""`ctdiffusion superres`: options, exit codes, what is written and what is not."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.commands import main as cli
from ctdiffusion.commands import superres
from ctdiffusion.commands.options import specification
from ctdiffusion.core.schema import describe
from ctdiffusion.images.volume import Volume, write_volume
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec
from ctdiffusion.methods.registry import SUPERRESOLUTION, methods
from superresolution.stacks import head


def call(tmp_path: Path, *options: str, volume: Volume | None = None, out: str = "job") -> int:
    path = tmp_path / "in" / "input.nrrd"
    path.parent.mkdir(exist_ok=True)
    write_volume(volume or head(), path)
    return cli.main(["superres", str(path), "-o", str(tmp_path / out), *options])


def spec(*argv: str) -> SuperResolutionSpec:
    parser = argparse.ArgumentParser()
    superres.add_arguments(parser)
    superres.add_method_arguments(parser, argv)
    return specification(parser.parse_args(argv))


def test_options_reach_the_specification() -> None:
    plain = spec("a.nrrd", "-o", "out")
    assert (plain.method, plain.factor, plain.profile, plain.simulate_from_thin) == ("zsr", None, "rectangle", False)
    full = spec(
        "a.nrrd", "-o", "out", "--factor", "5", "--profile", "gaussian", "--profile-mm", "4.7", "--steps", "7",
        "--planes", "coronal", "--assume-hu", "--seed", "3", "--simulate-from-thin", "--preset", "published",
    )  # fmt: skip
    assert (full.factor, full.profile, full.profile_mm, full.assume_hu, full.seed) == (5, "gaussian", 4.7, True, 3)
    assert full.simulate_from_thin
    parameters = full.method_parameters()
    assert (parameters.steps, parameters.planes, parameters.transition) == (7, "coronal", "renew")
    assert spec("a.nrrd", "-o", "out", "--factor", "auto", "--method", "tv", "--iterations", "3").factor is None


def test_every_parameter_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    for name, method in methods(SUPERRESOLUTION).items():
        assert cli.main(["superres", "--method", name, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        for info in describe(method.parameters):
            assert f"--{info.name.replace('_', '-')}" in text


def test_a_folder_is_written_and_the_numbers_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, "--method", "linear", "--factor", "3", "--simulate-from-thin") == 0
    said = capsys.readouterr()
    status = JobFolder(tmp_path / "job").read_status()
    assert f"{status.metrics['psnr']:.4g}" in said.out
    assert "(data range the robust maximum)" in said.out
    assert cli.main(["resume", str(tmp_path / "job")]) == 0


def test_a_file_is_written_with_its_provenance_and_nothing_else(tmp_path: Path) -> None:
    assert call(tmp_path, "--method", "bspline", "--factor", "2", out="thin.nii.gz") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "thin.nii.gz", "thin.provenance.json"]
    image = sitk.ReadImage(str(tmp_path / "thin.nii.gz"))
    assert image.GetSize() == (14, 16, 24)
    assert image.GetSpacing() == pytest.approx((1.1, 0.9, 0.5), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--method", "cubic"), "method: 'cubic' is unknown"),
        (("--method", "linear", "--factor", "9"), "--factor"),
        (("--method", "linear", "--profile", "gaussian"), "--profile-mm"),
        (("--method", "linear", "--simulate-from-thin"), "--factor: missing"),
        (("--method", "tv", "--factor", "2", "--profile", "gaussian", "--profile-mm", "50"), "profile_mm: the slices"),
        (("--method", "zsr", "--factor", "2", "--sigma-end", "0.9"), "parameters.sigma_end"),
        (("--method", "zsr", "--prior", "nobody"), "no pack named 'nobody'"),
        (("--method", "linear", "--factor", "7", "--simulate-from-thin"), "factor: 12 thin slices"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], text: str
) -> None:
    assert call(tmp_path, *options) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("error: ")
    assert text in said[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_other_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["superres", str(tmp_path / "none.nrrd"), "-o", str(tmp_path / "o"), "--method", "linear"]) == 2
    assert call(tmp_path, "--method", "linear", "--factor", "x") == 2
    assert "expected a whole number or auto, got 'x'" in capsys.readouterr().err
    volume = Volume(np.full((4, 8, 8), np.nan, np.float32), (1.0, 1.0, 3.0))
    assert call(tmp_path, "--method", "linear", volume=volume, out="bad") == 2
    assert "not finite" in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize(("width", "told"), [("0.35", False), ("0.75", False), ("2", True)])
def test_profiles_of_any_width_reproduce_the_slices_or_say_what_they_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], width: str, told: bool
) -> None:
    assert call(tmp_path, "--method", "tv", "--factor", "2", "--profile", "gaussian", "--profile-mm", width) == 0
    said = capsys.readouterr()
    assert ("times stronger" in said.out + said.err) == told
    status = JobFolder(tmp_path / "job").read_status()
    assert status.misfit is not None and status.misfit["relative"] < 1e-3
