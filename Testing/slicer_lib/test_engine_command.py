"""How the engine is found and called."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from CTDiffusionReconLib.engine.engine import find_engine, package_folder


def test_the_running_interpreter_by_default(monkeypatch):
    monkeypatch.setenv("CTDIFFUSION_PRIORS", "/already/there")
    engine = find_engine(priors=("/mine",))
    assert engine.python == sys.executable and not engine.foreign
    environment = engine.environment()
    assert environment["CTDIFFUSION_PRIORS"] == os.pathsep.join(["/mine", "/already/there"])
    assert environment["PYTHONUTF8"] == "1"
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(package_folder())
    assert engine.command("devices", "--json")[1:] == ["-m", "ctdiffusion", "devices", "--json"]


def test_our_own_environment_is_not_touched():
    before = dict(os.environ)
    environment = find_engine().environment()
    environment["PATH"] = "changed"
    assert dict(os.environ) == before
    assert find_engine().environment()["PATH"] == before["PATH"]


def test_the_launcher_starts_from_the_environment_before_slicer():
    startup = {"PATH": "/usr/bin", "": "no name"}
    engine = find_engine(launcher="/opt/Slicer/bin/PythonSlicer", startup_environment=startup)
    assert engine.python == "/opt/Slicer/bin/PythonSlicer"
    environment = engine.environment()
    assert environment["PATH"] == "/usr/bin" and "" not in environment
    assert startup == {"PATH": "/usr/bin", "": "no name"}


def test_another_interpreter_gets_nothing_of_slicers_python(tmp_path):
    other = tmp_path / "python with blanks é"
    other.symlink_to(sys.executable)
    startup = {"PYTHONHOME": "/opt/Slicer", "PYTHONPATH": "/opt/Slicer/lib", "PATH": os.environ["PATH"]}
    engine = find_engine(str(other), launcher="/opt/Slicer/bin/PythonSlicer", startup_environment=startup)
    environment = engine.environment()
    assert engine.foreign
    assert "PYTHONHOME" not in environment
    assert environment["PYTHONPATH"] == str(package_folder())
    done = subprocess.run(engine.script("import ctdiffusion; print(ctdiffusion.__version__)"), env=environment,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip()


def test_the_slicer_interpreter_named_by_the_user_is_still_slicers():
    startup = {"PYTHONHOME": "kept"}
    engine = find_engine(sys.executable, launcher=sys.executable, startup_environment=startup)
    assert not engine.foreign and engine.environment()["PYTHONHOME"] == "kept"


def test_a_missing_interpreter_is_named():
    with pytest.raises(ValueError, match=r"^engine: there is no Python interpreter at /no/such/python$"):
        find_engine("/no/such/python")
