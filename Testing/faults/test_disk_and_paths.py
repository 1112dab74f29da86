"""Full and read-only disks, strange paths, foreign locales."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import slow_method  # noqa: F401 - registers the method "slow"
from ctdiffusion.core import atomic
from ctdiffusion.jobs import run as jobrun
from ctdiffusion.jobs.events import read_events
from ctdiffusion.jobs.worker import run_job
from job_helpers import HERE, leftovers, make_input, make_job, process, result_of

pytestmark = pytest.mark.slow

FULL = OSError(28, "No space left on device")


def _full_disk(monkeypatch, name):
    """Every atomic write of `name` fails as on a full disk, after a part has been written."""
    original = atomic.write_bytes

    def write(path, content):
        if path.name == name:
            path.with_name(path.name + ".partial").write_bytes(content[:10])
            path.with_name(path.name + ".partial").unlink()
            raise FULL
        original(path, content)

    monkeypatch.setattr(atomic, "write_bytes", write)


def test_full_while_writing_the_result(tmp_path, monkeypatch):
    job = make_job(tmp_path / "job")

    def write_volume(volume, path):
        path.write_bytes(b"NRRD0004\nhalf")
        raise FULL

    monkeypatch.setattr(jobrun, "write_volume", write_volume)
    status = run_job(job.path)
    assert (status.state, status.exit_code, status.error) == ("failed", 1, "No space left on device")
    assert not job.result.exists()
    assert leftovers(job.path) == []
    monkeypatch.undo()
    assert run_job(job.path, resume=True).state == "done"


def test_full_while_saving_the_state_does_not_stop_the_job(tmp_path, monkeypatch):
    job = make_job(tmp_path / "job", method="slow")
    _full_disk(monkeypatch, "state.safetensors")
    events = []
    assert run_job(job.path, listener=events.append, save_s=0.0).state == "done"
    told = [e["text"] for e in events if e["event"] == "warning"]
    assert told[0] == "the state after step 1 could not be saved: No space left on device"


def test_full_while_writing_log_and_status_does_not_stop_the_job(tmp_path, monkeypatch):
    job = make_job(tmp_path / "job", method="slow")
    events = []

    def listener(event):
        events.append(event)
        if event["event"] == "device":
            job.events.unlink()
            job.events.mkdir()

    assert run_job(job.path, listener=listener).state == "done"
    assert sum("the event log stopped" in e.get("text", "") for e in events) == 1
    assert events[-1]["state"] == "done"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("limit", [0, 1000, 8000])
def test_a_real_limit_on_file_size(tmp_path, limit):
    """A compressed result needs about 14 kB."""
    import resource

    job = make_job(tmp_path / "job")
    before = job.spec.read_bytes()

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    with process("-m", "ctdiffusion.jobs.worker", job.path, preexec_fn=limited, env=environment) as child:
        _, err = child.communicate(timeout=100)
    assert child.returncode == 1
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in err
    assert not job.result.exists()
    assert job.spec.read_bytes() == before
    assert leftovers(job.path) == []


def _as_others():
    """Take from the superuser, in a child, what lets it write everywhere (CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        import ctypes

        drop_from_bounding_set, dac_override = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux capabilities")
def test_a_read_only_folder_is_refused_in_one_line(tmp_path):
    job = make_job(tmp_path / "job")
    job.path.chmod(0o555)
    with process("-m", "ctdiffusion.jobs.worker", job.path, preexec_fn=_as_others) as child:
        _, err = child.communicate(timeout=60)
    job.path.chmod(0o755)
    if (job.path / "lock").exists():
        pytest.skip("this process may write everywhere and cannot give that up")
    assert (child.returncode, err) == (1, f"error: {job.path / 'lock'}: Permission denied\n")
    assert job.read_status().state == "queued"
    assert run_job(job.path).state == "done"


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path, capsys):
    from ctdiffusion.commands import main as cli

    source = make_input(tmp_path / "in")
    (tmp_path / "file").write_text("in the way")
    for out in ("file", "file/job", "file/result.nrrd", "missing/result.nrrd"):
        code = cli.main(["reconstruct", str(source), "--method", "fbp", "--views", "5", "-o", str(tmp_path / out)])
        assert code in (1, 2)
        lines = capsys.readouterr().err.strip().splitlines()
        assert lines[-1].startswith("error: ")
        assert str(tmp_path / out.split("/")[0]) in lines[-1]
    assert (tmp_path / "file").read_text() == "in the way"
    assert leftovers(tmp_path) == []


NAMES = [
    "with space",
    "ünïcødé-Κύβος-肺",
    'quote\'s "double"',
    "a;$(touch canary)`touch canary`&|",
    "-o",
    "%s%n{0}",
    "x" * 120,
]


@pytest.mark.parametrize("name", NAMES)
def test_strange_paths(tmp_path, name, capsys):
    from ctdiffusion.commands import main as cli

    if sys.platform == "win32" and any(c in name for c in '"|'):
        pytest.skip("not a file name on Windows")
    source = make_input(tmp_path / name)
    out = tmp_path / f"{name} out" / name
    assert cli.main(["reconstruct", str(source), "--method", "fbp", "--views", "5", "-o", str(out)]) == 0
    assert f"wrote {out}" in capsys.readouterr().out
    assert (out / "result" / "reconstruction.nrrd").is_file()
    file = tmp_path / f"{name}.nii.gz"
    assert cli.main(["reconstruct", str(source), "--method", "fbp", "--views", "5", "-o", str(file)]) == 0
    assert file.is_file()
    assert not [p for p in tmp_path.rglob("canary*") if p.name == "canary"]


def test_a_worker_process_with_a_strange_path(tmp_path):
    job = make_job(tmp_path / "ünï;$(touch canary) 'x'" / "job")
    with process("-m", "ctdiffusion.jobs.worker", job.path, "--json", cwd=tmp_path, env={"LC_ALL": "C"}) as child:
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert out.isascii()
    assert not (tmp_path / "canary").exists()


@pytest.mark.skipif(not shutil.which("localedef"), reason="no localedef to make a locale with")
def test_a_locale_with_a_decimal_comma_changes_nothing(tmp_path):
    """The locale is really set in the process that computes and writes (as Qt does it)."""
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")], capture_output=True, check=False
    )
    if not (tmp_path / "de_DE.UTF-8").is_dir():
        pytest.skip(f"localedef: {made.stderr.decode()[:100]}")
    job = make_job(tmp_path / "job", method="slow", parameters={"size": 0.75}, simulation=_photons(12345.5))
    code = (
        "import locale, sys; locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8'); assert locale.str(1.5) == '1,5';"
        f"sys.path.insert(0, {str(HERE)!r}); import slow_method; sys.exit(slow_method.main(['worker', sys.argv[1]]))"
    )
    environment = {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "Asia/Kathmandu"}
    with process("-c", code, job.path, env=environment) as child:
        _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    plain = make_job(tmp_path / "plain" / "job", method="slow", parameters={"size": 0.75}, simulation=_photons(12345.5))
    run_job(plain.path)
    assert np.array_equal(result_of(job), result_of(plain))
    header = job.volume.read_bytes()[:600]
    assert b"space origin: (10,-20,30)" in header
    assert all(isinstance(e["time"], float) for e in read_events(job.events))


def _photons(count):
    from ctdiffusion.acquisition.settings import SimulationSettings

    return SimulationSettings(photons=count)
