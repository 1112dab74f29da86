"""Packages that others install: one file adds a method, a network, a reader; a broken one is said and left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.images.volume import write_volume
from job_helpers import PACKAGE, phantom

ROOT = Path(__file__).resolve().parents[1]

METHOD = '''
"""A method of somebody else: filtered back-projection, scaled."""
from __future__ import annotations
from dataclasses import dataclass
from ctdiffusion.core.schema import parameter
from ctdiffusion.methods.registry import Method, register


@dataclass(frozen=True)
class ScaledParameters:
    """Parameters of it."""
    factor: float = parameter(1.0, "What the image is multiplied by.", low=0.1, high=10.0)


def run(problem, parameters):
    """Scaled FBP in 1/mm."""
    return parameters.factor * problem.operator.fbp(problem.projections.data, "hann")


register(Method("scaled", "Scaled FBP", "A plug-in.", "nobody", ScaledParameters, run))
'''
NETWORK = '''
from torch import nn


class Nothing(nn.Module):
    """A network that gives back what it sees."""
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
'''
READER = '''
import numpy as np
from ctdiffusion.images.volume import Volume


def read(path):
    """Sixteen-bit slices of 16 x 16 pixels of 2 mm."""
    array = np.frombuffer(path.read_bytes(), np.int16).reshape(-1, 16, 16)
    return Volume(array.astype(np.float32), (2.0, 2.0, 2.0))
'''
POINTS = """[ctdiffusion.methods]
scaled = ctd_scaled
broken = ctd_broken

[ctdiffusion.networks]
Nothing = ctd_network:Nothing

[ctdiffusion.volumes]
.raw16 = ctd_reader:read
"""


@pytest.fixture
def site(tmp_path):
    """A folder with an installed package of one file for each door."""
    folder = tmp_path / "site"
    facts = folder / "ctd_plugins-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: ctd-plugins\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    (folder / "ctd_scaled.py").write_text(METHOD)
    (folder / "ctd_network.py").write_text(NETWORK)
    (folder / "ctd_reader.py").write_text(READER)
    (folder / "ctd_broken.py").write_text("raise RuntimeError('half\\ninstalled')\n")
    return folder


def python(site: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(PACKAGE), str(ROOT / "Testing")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


def test_a_method_appears_on_the_command_line_and_in_the_panel(site, tmp_path):
    listed = python(site, "-m", "ctdiffusion", "methods")
    assert "scaled" in listed.stdout.split()
    assert "broken (ctd_broken) is left out: RuntimeError: half installed" in listed.stderr
    assert "Traceback" not in listed.stderr
    told = python(site, "-m", "ctdiffusion", "methods", "scaled")
    assert "--factor  (number in [0.1, 10], default 1.0)" in told.stdout
    write_volume(phantom(2), tmp_path / "in.nrrd")
    command = ["reconstruct", str(tmp_path / "in.nrrd"), "--method", "scaled", "--factor", "2", "--views", "12"]
    for factor, name in (("2", "double"), ("1", "single")):
        command[5] = factor
        done = python(site, "-m", "ctdiffusion", *command, "--geometry", "parallel", "-o", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "double" / "provenance.json").read_text())
    assert record["spec"]["method"] == "scaled" and record["spec"]["parameters"] == {"factor": 2.0}
    code = (
        "from ctdiffusion.commands.catalogue import catalogue\n"
        "print([m['name'] for m in catalogue()['methods']])\n"
    )
    assert "'scaled'" in python(site, "-c", code).stdout


def test_a_method_appears_in_python(site):
    code = (
        "import ctdiffusion as ct, numpy as np\n"
        "from job_helpers import phantom\n"
        "assert 'scaled' in ct.methods()\n"
        "a = ct.reconstruct(phantom(2), 'scaled', factor=1.0, views=12, geometry='parallel').volume.array\n"
        "b = ct.reconstruct(phantom(2), 'scaled', factor=2.0, views=12, geometry='parallel').volume.array\n"
        "assert np.allclose(b + 1000, 2 * (a + 1000), atol=0.1)\n"
    )
    done = python(site, "-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_method_is_tested_by_the_tests_of_all_methods(site):
    tests = ["Testing/commands/test_commands.py::test_every_parameter_of_every_method_is_an_option"]
    tests += ["Testing/jobs/test_estimate.py::test_every_method_takes_longer_the_more_there_is_to_do"]
    done = python(site, "-m", "pytest", "-p", "no:cacheprovider", *tests, "-k", "every", "-v", cwd=ROOT)
    assert "scaled" in done.stdout and "passed" in done.stdout, done.stdout[-2000:]


def test_a_network_and_a_reader_are_found(site, tmp_path):
    (tmp_path / "scan.raw16").write_bytes(np.full((3, 16, 16), 40, np.int16).tobytes())
    code = (
        "import sys, ctdiffusion as ct\n"
        "from ctdiffusion.priors.packs.pack import build_network\n"
        "assert build_network({'class': 'Nothing', 'size': 3}, 'x').size == 3\n"
        "volume = ct.read_volume(sys.argv[1])\n"
        "assert volume.array.shape == (3, 16, 16) and volume.array.max() == 40\n"
    )
    done = python(site, "-c", code, str(tmp_path / "scan.raw16"))
    assert done.returncode == 0, done.stderr


def test_one_bad_file_of_our_own_stops_no_command(tmp_path):
    copy = tmp_path / "copy" / "ctdiffusion"
    import shutil

    shutil.copytree(PACKAGE / "ctdiffusion", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "methods" / "sirt.py").write_text("import nonsense_that_is_not_there\n")
    environment = {**os.environ, "PYTHONPATH": str(copy.parent)}
    command = [sys.executable, "-m", "ctdiffusion", "methods"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
    assert done.returncode == 0 and "fbp" in done.stdout and "sirt" not in done.stdout
    assert "ctdiffusion.methods.sirt is left out: ModuleNotFoundError" in done.stderr
