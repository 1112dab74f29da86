"""A field is declared once: then job file, command line, parameter node, panel and Python have it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sources
from slicer_standin import bootstrap

# In a process of its own, because every front end takes its fields from the specification when it is imported.
SCRIPT = """
import json, os, pathlib, sys
testing, modules, folder = sys.argv[1:]
sys.path[:0] = [testing, testing + "/slicer_module", modules]
from dataclasses import dataclass, replace
from ctdiffusion.core.schema import parameter
from ctdiffusion.jobs import tasks

ours = tasks.TASKS["reconstruction"]

@dataclass(frozen=True)
class Trust:
    machine: bool = parameter(False, "A nested field with the name of a parameter of the panel's own.")

@dataclass(frozen=True, kw_only=True)
class Sampled(ours.specification):
    samples: int = parameter(1, "How many samples are drawn.", low=1, high=64, group="running")
    tilt: float = parameter(0.5, "Tilt of the gantry.", unit="degrees", low=-30.0, high=30.0)
    order: str = parameter("slow", "Which come first.", choices=("slow", "fast"))
    thrift: bool = parameter(False, "Spare memory.")
    trust: Trust = parameter(Trust, "What can be trusted.", group="running")
    limit_mm: float | None = parameter(None, "No farther than this.", unit="mm", low=0.0, high=9.0)

tasks.TASKS["reconstruction"] = replace(ours, specification=Sampled)
NEW = {"samples": 4, "tilt": -2.5, "order": "fast", "thrift": True, "limit_mm": 3.0}

# The command line.
from ctdiffusion.commands import reconstruct
import argparse
parser = argparse.ArgumentParser()
reconstruct.add_arguments(parser)
options = ["--samples", "4", "--tilt", "-2.5", "--order", "fast", "--thrift", "--limit-mm", "3"]
spec = reconstruct.spec_of(parser.parse_args(["ct.nrrd", "-o", "out", "--views", "9", "--method", "fbp", *options]))
found = {"line": {name: getattr(spec, name) for name in NEW}}

# The parameter node and the panel.
from slicer_standin import bootstrap
session = bootstrap.start(pathlib.Path(folder))
panel = session.load_module(pathlib.Path(modules) / "CTDiffusionRecon.py")
import driving, slicer
panel.enter()
node, controls = panel._parameterNode, panel.advancedPanel.controls
names = {"samples": "samples", "tilt": "tilt", "order": "order", "thrift": "thrift", "limit_mm": "limitMm"}
found["controls"] = list(controls)
found["defaults"] = {name: controls[names[name]].value() for name in NEW}
found["range"] = [controls["samples"].editor.minimum, controls["samples"].editor.maximum]
found["tip"] = controls["samples"].widget.toolTip
found["shown"] = not panel.ui.advancedCollapsibleButton.isHidden()
refused = []
for name, value in (("samples", 65), ("tilt", 31.0), ("order", "never")):
    try:
        setattr(node, names[name], value)
    except ValueError:
        refused.append(name)
found["refused"] = refused
controls["samples"].editor.value = 4
controls["tilt"].editor.value = -2.5
controls["order"].editor.currentIndex = 1
controls["thrift"].editor.checked = True
controls["trustMachine"].editor.checked = True
controls["limitMm"].automatic.checked = False
controls["limitMm"].editor.value = 3.0
found["node"] = [node.samples, node.tilt, node.order, node.thrift, node.limitMm]
volume = driving.slab(step=8)
driving.choose(panel, volume)
request = panel.applyPanel.request()
found["nested"] = [request.trust.machine, node.machine]
found["panel"] = {name: getattr(request, name) for name in NEW}
node.samples = 7
found["follows"] = controls["samples"].value()

# Python, and the job file.
from misbehaving_engine import interpreter
from CTDiffusionReconLib.engine import settings
settings.setValue(settings.PYTHON, interpreter(pathlib.Path(folder), seconds=0))
job = panel.logic.start(volume, "fbp", views=9, **NEW)
found["file"] = {name: json.loads((job.folder / "spec.json").read_text())[name] for name in NEW}
found["logic"] = {name: getattr(job.request, name) for name in NEW}
try:
    panel.logic.start(volume, samples=65)
except ValueError as error:
    found["error"] = str(error)
session.unload_modules()
print(json.dumps(found), flush=True)
os._exit(0)
"""
NEW = {"samples": 4, "tilt": -2.5, "order": "fast", "thrift": True, "limit_mm": 3.0}


@pytest.mark.skipif(bool(bootstrap.missing()), reason=bootstrap.missing() or "there")
@pytest.mark.skipif(sys.platform == "win32", reason="the interpreter of this test is a shell script")
def test_one_declaration_reaches_every_front_end(tmp_path: Path) -> None:
    testing = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", SCRIPT, str(testing), str(sources.MODULE), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for place in ("line", "panel", "file", "logic"):
        assert found[place] == NEW, place
    news = ["samples", "tilt", "order", "thrift", "trustMachine", "limitMm"]
    assert found["controls"] == ["sameGrid", "keepProjections", *news]
    assert found["nested"] == [True, "fitted"]
    assert found["defaults"] == {"samples": 1, "tilt": 0.5, "order": "slow", "thrift": False, "limit_mm": None}
    assert found["range"] == [1, 64] and "How many samples are drawn." in found["tip"] and found["shown"]
    assert found["refused"] == ["samples", "tilt", "order"]
    assert found["node"] == [4, -2.5, "fast", True, "3.0"] and found["follows"] == 7
    assert found["error"] == "samples: must lie in [1, 64], got 65"
