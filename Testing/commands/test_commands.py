"""The command line: options, exit codes, what is written and what is not."""

from __future__ import annotations

import argparse
import io
import json

import numpy as np
import pytest
import SimpleITK as sitk
import slow_method  # noqa: F401 - registers the method "slow"
import torch
from ctdiffusion import __version__
from ctdiffusion.commands import main as cli
from ctdiffusion.commands import reconstruct
from ctdiffusion.commands.progress import Progress
from ctdiffusion.core.schema import describe
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.methods.registry import methods
from job_helpers import leftovers, make_input, process, result_of


def _reconstruct(tmp_path, *options, method="fbp", out="job"):
    path = make_input(tmp_path / "in")
    return cli.main(["reconstruct", str(path), "--method", method, "-o", str(tmp_path / out), *options])


def test_a_folder_is_written_and_the_numbers_are_printed(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--geometry", "parallel", "--views", "30", "--slices", "1:3") == 0
    said = capsys.readouterr()
    status = JobFolder(tmp_path / "job").read_status()
    assert f"{status.metrics['psnr']:.4g}" in said.out
    assert "misfit_relative" in said.out
    assert "read 0/1" in said.err
    assert result_of(JobFolder(tmp_path / "job")).shape == (2, 32, 32)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_file_is_written_with_its_provenance_and_nothing_else(tmp_path, suffix):
    options = ("--geometry", "parallel", "--views", "8", "--seed", "4")
    assert _reconstruct(tmp_path, *options, method="slow", out=f"result{suffix}") == 0
    assert _reconstruct(tmp_path, *options, method="slow", out="job") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["in", "job", "result.provenance.json", f"result{suffix}"]
    )
    image = sitk.ReadImage(str(tmp_path / f"result{suffix}"))
    job = JobFolder(tmp_path / "job")
    assert np.array_equal(sitk.GetArrayFromImage(image), result_of(job))
    assert result_of(job).min() < -1024  # values that a reader of CT would take for padding
    assert image.GetOrigin() == pytest.approx((10, -20, 30), abs=1e-4)
    assert json.loads((tmp_path / "result.provenance.json").read_text())["spec"]["seed"] == 4


def test_every_parameter_of_every_method_is_an_option(capsys):
    for name, method in methods().items():
        assert cli.main(["reconstruct", "--method", name, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        for info in describe(method.parameters):
            assert f"--{info.name.replace('_', '-')}" in text
            assert " ".join(info.text.split())[:30] in text


def test_parameters_reach_the_specification_typed():
    parser = argparse.ArgumentParser()
    argv = ["in.nrrd", "--method", "slow", "-o", "out", "--steps", "7", "--size", "auto", "--blur", "--views", "3"]
    reconstruct.add_arguments(parser)
    reconstruct.add_method_arguments(parser, argv)
    spec = reconstruct.spec_of(parser.parse_args([*argv, "--noise-free", "--same-grid", "--photons", "3e4"]))
    assert spec.parameters == {"steps": 7, "size": None, "blur": True}
    assert spec.method_parameters().pause == 0.0
    assert (spec.simulation.noise, spec.simulation.same_grid, spec.simulation.photons) == (False, True, 3e4)
    assert spec.geometry == "fan"
    assert spec.simulation.electronic == 10.0
    assert reconstruct.spec_of(parser.parse_args([*argv, "--no-blur"])).parameters["blur"] is False


@pytest.mark.parametrize(
    ("options", "degrees"),
    [
        (["--views", "4"], [0, 90, 180, 270]),
        (["--views", "2", "--arc-deg", "200", "--start-deg", "-30"], [-30, 70]),
        (["--views", "3", "--limited=-45:90"], [-45, 0, 45]),
        (["--angles-deg", "0, 12.5,3e1"], [0, 12.5, 30]),
    ],
)
def test_views(options, degrees):
    parser = argparse.ArgumentParser()
    reconstruct.add_arguments(parser)
    spec = reconstruct.spec_of(parser.parse_args(["in.nrrd", "--method", "fbp", "-o", "out", *options]))
    assert np.degrees(spec.angles()) == pytest.approx(degrees)


def test_angles_and_geometry_come_from_files(tmp_path):
    angles = tmp_path / "angles.txt"
    angles.write_text("0\n45\n90\n")
    assert _reconstruct(tmp_path, "--geometry", "parallel", "--angles-deg", str(angles)) == 0
    geometry = tmp_path / "geometry.json"
    geometry.write_text(json.dumps({"kind": "parallel", "angles": [0, 1, 2], "columns": 70, "column_spacing": 2}))
    assert _reconstruct(tmp_path, "--geometry-file", str(geometry), out="other") == 0
    record = json.loads(JobFolder(tmp_path / "other").provenance.read_text())
    assert record["geometry"]["angles"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--views", "0"], "--views: must lie in"),
        (["--views", "9", "--prior", "nobody"], "--prior: method fbp uses none"),
        (["--views", "9", "--keep-projections", "-o", "one.nrrd"], "one volume holds no projections"),
        (["--views", "9", "-o", "image.tiff"], "cannot write this format"),
        (["--views", "x"], "expected a whole number"),
        (["--views", "9", "--photons", "-3"], "--photons: "),
        (["--views", "9", "--filter", "ham"], "did you mean hamming?"),
        (["--views", "9", "--slices", "2:9"], "spec.slices"),
        (["--views", "9", "--slices", "9-"], "expected A-B"),
        (["--views", "9", "--limited", "9"], "expected START:SPAN"),
        (["--views", "9", "--stepz", "3"], "--stepz: there is no such option"),
        (["--views", "9", "--seed", "-1"], "--seed: "),
        (["--view", "9"], "--view: there is no such option; did you mean --views?"),
        (["--angles-deg", "0,0"], "--angles-deg: "),
        (["--angles-deg", "nofile"], "nofile"),
        (["--angles-deg", "/dev/zero"], "--angles-deg: /dev/zero: a device file, not a regular file"),
        (["--geometry-file", "missing.json"], "missing.json"),
        (["--views", "9", "--measured", "--geometry", "fan"], "--geometry: "),
    ],
)
def test_bad_input_is_refused_with_exit_code_2_and_nothing_is_written(tmp_path, capsys, options, text):
    assert _reconstruct(tmp_path, *options) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.strip().splitlines() if not line.startswith(("slices: ", "read ", "device: "))]
    assert len(lines) == 1 and lines[0].startswith("error: "), "one line, and no usage"
    assert text in lines[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


@pytest.mark.parametrize("content", [b"", b"NRRD0004\njunk", b"\x00" * 400])
@pytest.mark.parametrize("out", ["job", "result.nrrd"])
def test_a_damaged_volume_is_refused_and_nothing_is_written(tmp_path, capsys, content, out):
    path = tmp_path / "bad.nrrd"
    path.write_bytes(content)
    assert cli.main(["reconstruct", str(path), "--method", "fbp", "--views", "9", "-o", str(tmp_path / out)]) == 2
    assert "error: bad.nrrd" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.nrrd"]


def test_an_unknown_method_names_those_that_exist(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9", method="magic") == 2
    assert "known: " in capsys.readouterr().err


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path, capsys):
    folder = tmp_path / "job"
    (folder / "mri.partial").mkdir(parents=True)
    names = ["mri.partial/a.nii", "thesis.partial.docx", "preview.png", "state.safetensors", "events.jsonl"]
    for name in names:
        (folder / name).write_text("mine")
    for slices in ("0:2", "2:9"):
        assert _reconstruct(tmp_path, "--views", "9", "--slices", slices) == 2
        assert "the folder is not empty and holds no job" in capsys.readouterr().err
        assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == set(names)


def test_a_job_touches_no_file_that_is_not_its_own(tmp_path):
    assert _reconstruct(tmp_path, "--views", "9", "--nan-step", "2", method="slow") == 1
    (tmp_path / "job" / "thesis.partial.docx").write_text("mine")
    assert _reconstruct(tmp_path, "--views", "9") == 0
    assert (tmp_path / "job" / "thesis.partial.docx").read_text() == "mine"


def test_an_empty_folder_stays_empty_where_the_job_is_refused(tmp_path):
    (tmp_path / "job").mkdir()
    assert _reconstruct(tmp_path, "--views", "9", "--slices", "2:9") == 2
    assert list((tmp_path / "job").iterdir()) == []


@pytest.mark.parametrize("suffix", [".hdf", ".nxs"])
def test_measured_files_are_known_by_their_suffix(tmp_path, capsys, suffix):
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(b"no HDF5")
    assert cli.main(["reconstruct", str(path), "--method", "fbp", "-o", str(tmp_path / "job")]) == 2
    assert f"scan{suffix}" in capsys.readouterr().err


def test_errors_are_named_with_the_oldest_torch(tmp_path, capsys, monkeypatch):
    """torch.OutOfMemoryError exists from 2.5 on."""
    monkeypatch.delattr(torch, "OutOfMemoryError")
    assert _reconstruct(tmp_path, "--views", "9", "--prior", "nobody", method="dds") == 2
    assert "no pack named 'nobody'" in capsys.readouterr().err


def test_a_failure_has_exit_code_1(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9", "--nan-step", "2", method="slow") == 1
    assert "error: method slow" in capsys.readouterr().err
    assert not (tmp_path / "job" / "result").exists()


def test_earlier_results_are_never_overwritten_by_a_job(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9") == 0
    before = (tmp_path / "job" / "result" / "reconstruction.nrrd").read_bytes()
    assert _reconstruct(tmp_path, "--views", "12") == 2
    assert "already holds a job" in capsys.readouterr().err
    assert (tmp_path / "job" / "result" / "reconstruction.nrrd").read_bytes() == before
    assert _reconstruct(tmp_path, "--views", "9", out="in/input.mhd") == 2
    assert cli.main(["reconstruct", "x.nrrd", "--method", "fbp", "--views", "3", "-o", str(tmp_path / "q.nrrd")]) == 2


def test_json_lines_are_all_that_is_on_standard_output(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9", "--json") == 0
    said = capsys.readouterr()
    events = [json.loads(line, parse_constant=pytest.fail) for line in said.out.splitlines()]
    assert {"status", "device", "step", "result"} <= {e["event"] for e in events}
    assert events[-1]["state"] == "done"


def test_resume(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9") == 0
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "job")]) == 0
    assert "psnr" in capsys.readouterr().out
    assert cli.main(["resume", str(tmp_path / "in")]) == 2
    assert "not a job folder" in capsys.readouterr().err
    (tmp_path / "in" / "spec.json").write_text('{"schema": 99}')
    assert cli.main(["resume", str(tmp_path / "in")]) == 2
    assert "spec.schema" in capsys.readouterr().err


def test_listings(capsys, tmp_path):
    assert cli.main(["methods"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[1:]] == list(methods())
    assert cli.main(["methods", "slow"]) == 0
    explained = capsys.readouterr().out
    assert "--steps  (integer in [1, 10000], default 6)" in explained
    assert "default auto" in explained
    assert cli.main(["methods", "magic"]) == 2
    assert cli.main(["devices", "--json"]) == 0
    capsys_out = capsys.readouterr().out
    assert json.loads(capsys_out)["auto"] in ("cpu", "cuda")
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.startswith("device ")
    assert cli.main(["priors"]) == 0
    assert cli.main(["priors", "check", str(tmp_path)]) == 2
    assert cli.main(["priors", "show", "no-such-pack"]) == 2
    assert cli.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert cli.main([]) == 0
    assert "COMMAND" in capsys.readouterr().out
    assert cli.main(["dance"]) == 2
    assert cli.main(["recon"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "error: recon: there is no such command; did you mean reconstruct?"


def test_help_is_instant_because_torch_is_not_imported():
    code = "import sys, ctdiffusion.commands.main as c; c.main(['--help']); sys.exit('torch' in sys.modules)"
    with process("-c", code) as child:
        out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert "reconstruct" in out
    code = "import sys, ctdiffusion.jobs.worker, ctdiffusion.jobs.folder; sys.exit('torch' in sys.modules)"
    with process("-c", code) as child:
        assert child.wait(timeout=30) == 0


def test_a_terminal_shows_a_bar_and_a_pipe_plain_lines():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    events = [{"event": "step", "phase": "tv", "step": k, "total": 100, "eta_s": 100.0 - k} for k in range(101)]
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        progress = Progress(stream)
        for event in events:
            progress.show(event)
        progress.show({"event": "warning", "text": "careful"})
    assert "tv         [#######---------------------] 25/100  1:15 left" in terminal.getvalue()
    lines = pipe.getvalue().splitlines()
    assert len(lines) == 12
    assert lines[5] == "tv 50/100  0:50 left"
    assert lines[-1] == "warning: careful"
    assert "\x1b" not in pipe.getvalue()


def test_nothing_temporary_stays(tmp_path):
    _reconstruct(tmp_path, "--views", "9")
    _reconstruct(tmp_path, "--views", "9", out="r.nrrd")
    _reconstruct(tmp_path, "--views", "9", "--nan-step", "0", method="slow", out="s.nrrd")
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "s.nrrd").exists()


def test_the_input_is_never_overwritten(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9", out="in/copy.nrrd") == 0
    folder = tmp_path / "in"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in before:
        if name.endswith((".nrrd", ".nii.gz", ".mha")):
            arguments = ["reconstruct", str(folder / name), "--method", "fbp", "--views", "3", "-o", str(folder / name)]
            assert cli.main(arguments) == 2
            assert f"{name}: is the input" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_saved_state_is_not_thrown_away(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9", "--nan-step", "2", method="slow") == 1
    (tmp_path / "job" / "state.safetensors").write_bytes(b"hours of work")
    assert _reconstruct(tmp_path, "--views", "9") == 2
    assert "ctdiffusion resume" in capsys.readouterr().err
    assert (tmp_path / "job" / "state.safetensors").read_bytes() == b"hours of work"


def test_a_finished_job_is_reported_again(tmp_path, capsys):
    assert _reconstruct(tmp_path, "--views", "9") == 0
    metrics = JobFolder(tmp_path / "job").read_status().metrics
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "job"), "--json"]) == 0
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["metrics"]) == ("result", metrics)


def test_a_folder_where_a_file_belongs_has_exit_code_2(tmp_path, capsys):
    assert cli.main(["estimate", str(tmp_path)]) == 2
    assert _reconstruct(tmp_path, "--geometry-file", str(tmp_path)) == 2
    (tmp_path / "file").write_text("")
    assert _reconstruct(tmp_path, "--views", "9", out="file/job") == 2
    assert "error: " in capsys.readouterr().err
    (tmp_path / "spec.json").write_text('{"task": "superresolution"}')
    assert cli.main(["estimate", str(tmp_path / "spec.json")]) == 2
    assert "no estimate for superresolution" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "first", "stop"), [("1-2", 1, 3), ("1:3", 1, 3), ("2", 2, 3), ("0-0", 0, 1), (" 0 : 4 ", 0, 4)]
)
def test_slices_are_understood_and_echoed(tmp_path, capsys, text, first, stop):
    assert _reconstruct(tmp_path, "--views", "9", "--slices", text) == 0
    said = capsys.readouterr().err.splitlines()[0]
    count = stop - first
    assert said == (f"slices: {first} (one)" if count == 1 else f"slices: {first} to {stop - 1} ({count})")
    assert result_of(JobFolder(tmp_path / "job")).shape[0] == count


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--method", "ddss"], "--method: 'ddss' is unknown (did you mean dds?)"),
        (["--method", "TV"], "--method: 'TV' is unknown (did you mean tv?)"),
        (["--method", "tv", "--steps", "9"], "--steps: method tv has no such parameter (its own: --strength, "),
        (["--method", "tv"], "--views N or --angles-deg is needed"),
        (["--method", "msdiff", "--views", "9", "--geometry", "cone"], "--geometry: method msdiff takes parallel"),
        (["--method", "dds", "--views", "9", "--prior", "nobody"], "no pack named 'nobody'"),
        (["--method", "dds", "--views", "9", "--prior", "sinogram-360"], "sinogram-360 is a denoiser of sinograms"),
    ],
)
def test_a_mistake_names_the_remedy_before_anything_is_computed(tmp_path, capsys, argv, text):
    path = make_input(tmp_path / "in")
    assert cli.main(["reconstruct", str(path), "-o", str(tmp_path / "job"), *argv]) == 2
    said = capsys.readouterr().err
    assert text in said and "simulate" not in said and "usage" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_the_default_method_and_gpu_are_understood(tmp_path, capsys):
    path = make_input(tmp_path / "in")
    argv = ["reconstruct", str(path), "--views", "9", "--device", "gpu", "-o", "out", "--dry-run", "--json"]
    assert cli.main(argv) in (0, 2), "2 where there is no GPU"
    argv = ["reconstruct", str(path), "--views", "9", "--slices", "1-2", "--dry-run", "--json"]
    assert cli.main(argv) == 0
    plan = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert plan["spec"]["method"] == "dds" and plan["spec"]["slices"] == [1, 3] and plan["estimate"]["seconds"] > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_estimate_takes_the_same_options(tmp_path, capsys):
    path = make_input(tmp_path / "in")
    assert cli.main(["estimate", str(path), "--views", "9", "--method", "sirt", "--iterations", "40", "--json"]) == 0
    more = json.loads(capsys.readouterr().out)["seconds"]
    assert cli.main(["estimate", str(path), "--views", "9", "--method", "sirt", "--iterations", "4", "--json"]) == 0
    assert more > json.loads(capsys.readouterr().out)["seconds"]


def test_a_dicom_series_lies_where_the_volume_does(tmp_path, capsys):
    from ctdiffusion.images.volume import read_volume

    options = ("--geometry", "parallel", "--views", "12")
    assert _reconstruct(tmp_path, *options, "--dicom", out="series") == 0
    assert _reconstruct(tmp_path, *options, out="plain.nrrd") == 0
    series, plain = read_volume(tmp_path / "series"), read_volume(tmp_path / "plain.nrrd", assume_hu=True)
    assert len(list((tmp_path / "series").glob("*.dcm"))) == plain.array.shape[0]
    np.testing.assert_allclose(np.clip(plain.array, -1024, None), series.array, atol=0.51)
    assert series.spacing == pytest.approx(plain.spacing) and series.origin == pytest.approx(plain.origin, abs=1e-4)
    assert series.direction == pytest.approx(plain.direction, abs=1e-6)
    tags = sitk.ReadImage(str(tmp_path / "series" / "0001.dcm"))
    assert tags.GetMetaData("0008|0008").startswith("DERIVED\\SECONDARY")
    assert "FBP 12 views (simulated)" in tags.GetMetaData("0008|103e")
    assert (tmp_path / "series.provenance.json").is_file()
    assert _reconstruct(tmp_path, *options, "--dicom", out="series") == 2


def test_a_stopped_file_is_finished_by_the_command_that_was_printed(tmp_path, capsys):
    job = tmp_path / "r.nrrd.job"
    assert _reconstruct(tmp_path, "--views", "9", out="r.nrrd.job") == 0
    assert cli.main(["resume", str(job), "-o", str(tmp_path / "r.nrrd")]) == 0
    assert (tmp_path / "r.nrrd").is_file() and (tmp_path / "r.provenance.json").is_file() and not job.exists()


def test_every_help_is_instant(monkeypatch):
    code = (
        "import sys, time; start = time.process_time()\n"
        "from ctdiffusion.commands import main as c\n"
        "for name in c.COMMANDS: c.main([name, '--help'])\n"
        "c.main(['methods'])\n"
        "for action in ('list', 'show', 'check', 'join', 'remove', 'import'): c.main(['priors', action, '--help'])\n"
        "assert not {'torch', 'numpy'} & set(sys.modules), 'heavy'\n"
        "assert time.process_time() - start < 3.0\n"
    )
    with process("-c", code) as child:
        _, err = child.communicate(timeout=120)
    assert child.returncode == 0, err


def test_completion_names_commands_and_options(capsys):
    pytest.importorskip("shtab")
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "reconstruct" in script and "--limited" in script
