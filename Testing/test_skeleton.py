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

import pytest

ROOT = Path(__file__).resolve().parents[1]


def files_in(folder: Path, pattern: str) -> set[str]:
    """The files of a tree, relative to it, without what Python makes by itself."""
    found = (path for path in folder.glob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def cmake_values() -> dict[str, str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)$', text, re.MULTILINE))


def s4ext_values() -> dict[str, str]:
    lines = (ROOT / "CTDiffusionRecon.s4ext").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return {key: value for key, _, value in pairs}


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
    source = ROOT / "CTDiffusionRecon"
    assert files_in(modules, "**/*.py") == files_in(source, "**/*.py")
    assert files_in(modules, "Resources/**/*") >= files_in(source, "Resources/**/*")
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
