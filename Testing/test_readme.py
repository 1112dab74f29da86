"""What the documentation says is so: methods, commands, defaults, links."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ctdiffusion.acquisition.settings import SimulationSettings
from ctdiffusion.commands import main as cli
from ctdiffusion.core import units
from ctdiffusion.scan import machines

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ctdiffusion .*$", README, re.MULTILINE)


def test_methods_table_equals_the_registry() -> None:
    # A process of its own: other tests add a method to this one's registry.
    code = "import readme_methods; assert readme_methods.in_readme() == readme_methods.from_registry()"
    paths = os.pathsep.join([str(ROOT / "CTDiffusionRecon"), str(ROOT / "Testing")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert done.returncode == 0, "python Testing/readme_methods.py --write"


def test_commands_are_shown() -> None:
    assert {line.split()[1] for line in COMMANDS} >= {"reconstruct", "resume", "methods", "priors", "train"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    module = importlib.import_module(f"ctdiffusion.{cli.COMMANDS[arguments[0]][0]}")
    understood = []
    monkeypatch.setattr(module, "main", lambda args: understood.append(args) or 0)
    assert cli.main(arguments) == 0
    assert len(understood) == 1


def test_defaults_are_the_stated_ones() -> None:
    for name in ("diagnostic", "cbct-obi"):
        machine = machines.MACHINES[name]
        assert f"{machine.source_to_isocentre:g} mm, {machine.source_to_detector:g} mm" in README
    settings = SimulationSettings()
    assert f"{settings.photons:.0f} photons per ray" in README
    assert f"electronic noise of {settings.electronic:g} photons" in README.replace("\n", " ")
    assert settings.oversampling == 2 and "a grid twice as fine" in README
    assert f"{units.MU_WATER:g}/mm" in README
    assert {kind for kind in machines.KINDS if f"| `{kind}` |" in README} == set(machines.KINDS)


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "ATTRIBUTION.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith(("https://", "http://")):
            assert (ROOT / target).exists(), target


def test_architecture_names_what_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "CTDiffusionRecon" / "ctdiffusion"
    for path in re.findall(r"`([\w/]+(?:\.py|/))`", text):
        assert any((root / path).exists() for root in (package, ROOT, ROOT / "CTDiffusionRecon")), path
