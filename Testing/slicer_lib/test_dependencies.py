"""What is missing, in words; how it is installed, and what never is."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from CTDiffusionReconLib.engine import dependencies as d
from CTDiffusionReconLib.engine.engine import find_engine

ALL = {"torch": "2.9.0+cu128", "numpy": "2.1", "scipy": "1.14", "SimpleITK": "2.5", "safetensors": "0.5",
       "numba": "0.61", "h5py": "3.12", "psutil": "7.0"}  # fmt: skip


def have(**changes: str | None) -> d.Dependencies:
    return d.Dependencies({**ALL, **changes})


def test_complete():
    assert have().complete and have().explanation() == ""
    found = have(numba=None)
    assert found.complete and found.optional == ("numba",)


@pytest.mark.parametrize(
    ("changes", "missing", "words"),
    [
        ({"torch": None}, ("torch",), "without it nothing can be reconstructed"),
        ({"torch": "2.1.2"}, ("torch",), "torch 2.4 or newer (there is 2.1.2)"),
        ({"torch": None, "safetensors": None}, ("torch", "safetensors"), "torch, safetensors"),
        ({"SimpleITK": None}, ("SimpleITK",), "install Slicer again"),
    ],
)
def test_what_is_missing_is_said(changes, missing, words):
    found = have(**changes)
    assert found.missing == missing and words in found.explanation()


def test_another_interpreter_is_left_to_its_owner():
    found = d.Dependencies({**ALL, "safetensors": None}, foreign=True)
    assert "python -m pip install safetensors" in found.explanation()


def test_slicers_own_packages_are_never_in_the_requirements(tmp_path):
    names = {d.name_of(line) for line in d.requirements()}
    assert "safetensors" in names and not names & set(d.NEVER_INSTALLED)
    for line in ("SimpleITK", "numpy==1.26", "scipy>=1 ; python_version>'3'", "requests", "torch>=2"):
        (tmp_path / "requirements.txt").write_text(f"# comment\nsafetensors\n{line}\n")
        with pytest.raises(ValueError, match="must not be installed"):
            d.requirements(tmp_path / "requirements.txt")


def test_the_engines_interpreter_is_asked_in_a_child():
    answer = d.dependencies_query(find_engine()).start().wait(60)
    found = d.dependencies_of(answer)
    assert found.packages == d.own_dependencies().packages
    assert found.python == sys.version.split()[0]


def test_constraints_keep_what_is_there():
    import numpy

    assert f"numpy=={numpy.__version__}\n" in d.constraints_text()
    assert "torch" not in d.constraints_text()


def test_a_folder_of_wheels(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        d.wheel_options(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no wheels"):
        d.wheel_options(tmp_path)
    (tmp_path / "a-1-py3-none-any.whl").touch()
    assert d.wheel_options(tmp_path) == ["--no-index", "--find-links", str(tmp_path)]


def test_the_reason_of_pip_comes_first():
    output = (
        "Collecting x\n" * 50 + "ERROR: Could not find a version of x\nERROR: No matching distribution found\nbye\n"
    )
    error = subprocess.CalledProcessError(1, "pip", output=output)
    assert d.error_text(error).splitlines() == [
        "ERROR: Could not find a version of x",
        "ERROR: No matching distribution found",
    ]


# with Slicer's own means ------------------------------------------------------------------------------------------
@pytest.fixture
def pip(session, monkeypatch):
    """Records what would be installed."""
    import slicer

    calls = []
    monkeypatch.setattr(slicer.util, "pip_install", lambda arguments, **more: calls.append(list(arguments)))
    monkeypatch.setattr(d, "own_dependencies", lambda: have(safetensors=None, numba=None))
    return calls


def test_torch_needs_the_pytorch_extension(pip, monkeypatch):
    from CTDiffusionReconLib.engine.installer import install

    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    report = install(have(torch=None), check=lambda: have(torch=None))
    assert not report.ok and "extension PyTorch, which is missing" in report.text and pip == []
    assert "PyTorch is not installed" in report.log


def test_torch_comes_from_the_extension(pip, monkeypatch):
    from CTDiffusionReconLib.engine.installer import install

    asked = []

    class Logic:
        def installTorch(self, **options):
            asked.append(options)
            return "torch"

    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=Logic))
    report = install(have(torch=None), ask=lambda question: True, check=have)
    assert report.ok and asked == [{"askConfirmation": True, "torchVersionRequirement": ">=2.4,<3"}]
    assert not any(word.startswith("torch") for call in pip for word in call)


def test_the_user_may_decline(pip):
    from CTDiffusionReconLib.engine.installer import install

    report = install(have(safetensors=None), ask=lambda question: False, check=lambda: have(safetensors=None))
    assert (report.ok, report.declined, report.text) == (False, True, "Nothing was installed.") and pip == []


def test_pip_with_constraints_and_wheels(pip, tmp_path):
    from CTDiffusionReconLib.engine.installer import install

    (tmp_path / "a-1-py3-none-any.whl").touch()
    report = install(have(safetensors=None), wheels=tmp_path, ask=lambda question: True, check=have)
    assert report.ok and len(pip) == 1
    assert pip[0][:2] == ["safetensors>=0.4,<1", "numba>=0.59,<1"] and "--no-index" in pip[0] and "-c" in pip[0]


def test_a_package_that_only_helps_does_not_stop_the_others(session, monkeypatch):
    import slicer
    from CTDiffusionReconLib.engine.installer import install

    calls = []

    def pip_install(arguments, **more):
        calls.append([word for word in arguments if ">=" in word])
        if any(word.startswith("numba") for word in arguments):
            raise subprocess.CalledProcessError(1, "pip", output="ERROR: numba does not fit numpy")

    monkeypatch.setattr(slicer.util, "pip_install", pip_install)
    monkeypatch.setattr(d, "own_dependencies", lambda: have(safetensors=None, numba=None))
    report = install(have(safetensors=None), ask=lambda question: True, check=lambda: have(numba=None))
    assert report.ok and calls == [["safetensors>=0.4,<1", "numba>=0.59,<1"], ["safetensors>=0.4,<1"]]
    assert "numba does not fit numpy" in report.log


def test_a_failure_shows_pips_own_words(session, monkeypatch):
    import slicer
    from CTDiffusionReconLib.engine.installer import install

    def pip_install(arguments, **more):
        raise subprocess.CalledProcessError(1, "pip", output="a\nERROR: No matching distribution found\n")

    monkeypatch.setattr(slicer.util, "pip_install", pip_install)
    monkeypatch.setattr(d, "own_dependencies", lambda: have(safetensors=None))
    report = install(have(safetensors=None), ask=lambda question: True, check=lambda: have(safetensors=None))
    assert not report.ok and "No matching distribution found" in report.text and report.log
