"""The module as installed: only what the CMake lists, in a folder of its own, in a process that knows no repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slicer_standin import bootstrap

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
VERSION = "9.8.7+installed"

SCRIPT = """
import json, os, pathlib, sys
testing, modules, folder = sys.argv[1:]
sys.path.insert(0, testing)
from slicer_standin import bootstrap
session = bootstrap.start(pathlib.Path(folder))
panel = session.load_module(pathlib.Path(modules) / "CTDiffusionRecon.py")
import slicer, ctdiffusion, CTDiffusionReconLib
found = {
    "engine": ctdiffusion.__file__, "library": CTDiffusionReconLib.__file__, "errors": session.qt_messages,
    "priors": [str(p["folder"]) for p in panel.logic.reconstruction.priors()],
    "icon": not slicer.modules.ctdiffusionrecon.icon.isNull(),
    "samples": [s.sampleName for s in slicer.modules.sampleDataSources["CTDiffusionRecon"]],
}
panel.ui.sampleButton.click()
volume = panel._parameterNode.inputVolume
found["sample"] = list(volume.GetImageData().GetDimensions())
node = panel.logic.reconstruct(
    volume, "fbp", geometry="parallel", views=12, slices=(30, 31), simulation={"oversampling": 1}
)
found["version"] = node.GetAttribute("CTDiffusionRecon.Engine")
found["size"] = list(node.GetImageData().GetDimensions())
session.unload_modules()
print(json.dumps(found), flush=True)
os._exit(0)
"""


def install(modules: Path) -> None:
    """Copy what CTDiffusionRecon/CMakeLists.txt installs, nothing else (test_skeleton compares the two)."""
    source = ROOT / "CTDiffusionRecon"
    for folder in ("ctdiffusion", "CTDiffusionReconLib", "Resources"):
        shutil.copytree(source / folder, modules / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "CTDiffusionRecon.py", modules)
    for folder in ("Sample", "Priors"):
        shutil.copytree(ROOT / "Resources" / folder, modules / "Resources" / folder)


@pytest.mark.skipif(bool(bootstrap.missing()), reason=bootstrap.missing() or "there")
def test_module_engine_sample_and_priors_are_found(tmp_path: Path) -> None:
    modules = tmp_path / "Slicer 5.12 für alle" / "qt-scripted-modules"
    install(modules)
    marked = modules / "ctdiffusion" / "__init__.py"
    marked.write_text(marked.read_text(encoding="utf-8") + f'\n__version__ = "{VERSION}"\n', encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CTDIFFUSION_PRIORS", "CTDIFFUSION_SHARED")}
    command = [sys.executable, "-c", SCRIPT, str(ROOT / "Testing"), str(modules), str(tmp_path / "slicer")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=kept, timeout=600, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["engine"]).is_relative_to(modules) and Path(found["library"]).is_relative_to(modules)
    assert found["version"] == VERSION, "the child must run the installed engine"
    shipped = {folder.name for folder in (ROOT / "Resources" / "Priors").iterdir() if (folder / "prior.json").is_file()}
    places = [Path(place) for place in found["priors"]]
    assert shipped <= {place.name for place in places}
    assert all(place.is_relative_to(modules) for place in places if place.name in shipped)
    assert found["icon"] and found["samples"] == ["CT chest for CTDiffusionRecon"]
    assert found["sample"] == [256, 256, 64] and found["size"] == [256, 256, 1]
    assert found["errors"] == [], "Qt complained"
