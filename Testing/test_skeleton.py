"""The extension as Slicer's build system and the Extensions Index see it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import cmake_sources
import pytest

ROOT = Path(__file__).resolve().parents[1]


def cmake_values() -> dict[str, str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)$', text, re.MULTILINE))


def s4ext_values() -> dict[str, str]:
    lines = (ROOT / "CTDiffusionRecon.s4ext").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize("name", cmake_sources.LISTS)
def test_every_file_is_listed_and_every_listed_file_exists(name: str) -> None:
    there = set(cmake_sources.present(cmake_sources.MODULE, name))
    said = cmake_sources.listed(cmake_sources.MODULE, name)
    assert len(said) == len(set(said)), "listed twice"
    assert set(said) == there, "run: python Testing/cmake_sources.py --write"


def test_the_lists_are_corrected(tmp_path: Path) -> None:
    for name in ("ctdiffusion/deep/a.py", "M.py", "CTDiffusionReconLib/b.py", "CTDiffusionReconLib/__pycache__/b.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lists = (
        "set(ENGINE_SCRIPTS\n  ctdiffusion/gone.py\n  )\n",
        "set(MODULE_SCRIPTS\n  )\n",
        "set(MODULE_RESOURCES\n  )\n",
    )
    (tmp_path / "CMakeLists.txt").write_text("x()\n" + "".join(lists) + "y()\n")
    assert cmake_sources.listed(tmp_path, "ENGINE_SCRIPTS") == ["ctdiffusion/gone.py"]
    cmake_sources.write(tmp_path)
    text = (tmp_path / "CMakeLists.txt").read_text()
    assert text == (
        "x()\nset(ENGINE_SCRIPTS\n  ctdiffusion/deep/a.py\n  )\n"
        "set(MODULE_SCRIPTS\n  CTDiffusionReconLib/b.py\n  M.py\n  )\nset(MODULE_RESOURCES\n  )\ny()\n"
    )


def test_s4ext_and_json_repeat_the_cmake() -> None:
    cmake, s4ext = cmake_values(), s4ext_values()
    for key in ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert s4ext[key.lower()] == cmake[key], key
    index = json.loads((ROOT / "CTDiffusionRecon.json").read_text(encoding="utf-8"))
    assert index["build_dependencies"] == cmake["DEPENDS"].split()
    assert index["category"] == cmake["CATEGORY"]
    assert (index["scm_url"], index["scm_revision"]) == (s4ext["scmurl"], s4ext["scmrevision"])
    assert index["build_subdirectory"] == s4ext["build_subdirectory"]


def test_icon_is_a_png_of_128_pixels() -> None:
    data = (ROOT / "Resources" / "Icons" / "CTDiffusionRecon.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)
    assert cmake_values()["ICONURL"].endswith("/Resources/Icons/CTDiffusionRecon.png")


def test_licence_and_attribution_ship() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence
    attribution = (ROOT / "ATTRIBUTION.md").read_text(encoding="utf-8")
    sample = (ROOT / "Resources" / "Sample" / "README.md").read_text(encoding="utf-8")
    for text in (attribution, sample):
        assert "10.7937/k9/tcia.2015.lo9ql9sx" in text and "CC BY 3.0" in text


def test_sample_is_the_published_one() -> None:
    data = (ROOT / "Resources" / "Sample" / "LIDC-IDRI-0001_256x256x64.nii.gz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "301c8930423c5b62c96d1d21cfe365d44981a87028c14b07a3e4175ee02d1510"


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("cc")), reason="cmake or a compiler is not installed")
def test_the_installed_tree_works_alone(tmp_path: Path) -> None:
    """Configure and install with a stand-in for Slicer's macros; nothing but the installed files is then used."""
    build, prefix = tmp_path / "build", tmp_path / "installed here"
    stub = Path(__file__).with_name("slicer_stub")
    configure = ["cmake", "-S", str(ROOT), "-B", str(build), f"-DSlicer_DIR={stub}", "-Wno-dev"]
    for command in (configure, ["cmake", "--install", str(build), "--prefix", str(prefix)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    modules = prefix / "lib" / "qt-scripted-modules"
    for name in cmake_sources.LISTS:
        installed = set(cmake_sources.present(modules, name))
        listed = set(cmake_sources.listed(cmake_sources.MODULE, name))
        # Sample and priors are installed beside the resources of the module.
        assert installed >= listed if name == "MODULE_RESOURCES" else installed == listed
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import ctdiffusion\n"
        "from ctdiffusion.studies.demo import sample_path\n"
        "from ctdiffusion.priors.packs.pack import find_packs\n"
        "print(ctdiffusion.__file__, sample_path(), *find_packs().values(), sep='\\n')\n"
    )
    command = [sys.executable, "-I", "-c", code, str(modules)]
    environment = {name: value for name, value in os.environ.items() if name != "CTDIFFUSION_PRIORS"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert len(found) >= 3, "sample and at least one prior"
    assert all(Path(line).is_relative_to(modules) for line in found)
