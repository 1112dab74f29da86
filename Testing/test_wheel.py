"""The wheel: built, installed into a folder of its own, used from there with its priors and its sample."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def test_it_carries_what_is_needed(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"ctdiffusion/py.typed", "ctdiffusion/Resources/Sample/LIDC-IDRI-0001_256x256x64.nii.gz"} <= names
    for prior in (ROOT / "Resources" / "Priors").iterdir():
        assert f"ctdiffusion/Resources/Priors/{prior.name}/weights.safetensors" in names
    assert not any(name.startswith(("CTDiffusionReconLib", "Testing")) for name in names)
    metadata = next(name for name in names if name.endswith("METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert "License-Expression: Apache-2.0" in text and "Requires-Dist: numba" in text and "Requires-Dist: h5py" in text


def test_it_reconstructs_where_nothing_else_is(wheel, tmp_path):
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    hidden = ("CTDIFFUSION_PRIORS", "CTDIFFUSION_SHARED")
    environment = {**{k: v for k, v in os.environ.items() if k not in hidden}, "PYTHONPATH": str(site)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("-c", "import ctdiffusion, ctdiffusion.studies.demo as d; print(ctdiffusion.__file__, d.sample_path())")
    installed, sample = where.split()
    assert Path(installed).is_relative_to(site) and Path(sample).is_relative_to(site)
    options = ["--method", "dds", "--views", "8", "--steps", "2", "--slices", "30", "--oversampling", "1"]
    said = run("-m", "ctdiffusion", "reconstruct", sample, *options, "-o", "out.nrrd")
    assert "psnr" in said and (tmp_path / "out.nrrd").is_file()
    assert (site / "bin" / "ctdiffusion").is_file() or os.name == "nt"
