"""Headers that lie, at random: an image is read right, or refused in one line that names its file; nothing else.

What must not happen: an exception of another kind, a crash of the process, noise beside the one line, a wait, or a
request for memory that the file does not justify.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images import memory
from ctdiffusion.images.volume import read_volume
from dicom_files import write_slice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
LONGEST_S = 2.0
VOXELS = np.random.default_rng(0).integers(-1000, 1500, (3, 8, 10)).astype(np.int16)
NRRD = (
    b"NRRD0004\n# comment\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 10 8 3\n"
    b"space directions: (0.7,0,0) (0,0.9,0) (0,0,2.5)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
    b"space origin: (1,2,3)\nkey:=value\n\n"
)
META = (
    b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    b"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nCenterOfRotation = 0 0 0\nElementSpacing = 0.7 0.9 2.5\n"
    b"DimSize = 10 8 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
WORDS = [
    "nan", "inf", "-1", "0", "1e9", "1e-30", "1e400", "0,9", "x", "", "9" * 400, "2147483648", "(1,0,0)", "none",
    "gzip", "ascii", "hex", "bzip2", "double", "MET_DOUBLE", "True", "False", "LIST", "%d", "\0", "\xff", "../x",
]  # fmt: skip


@pytest.fixture(autouse=True)
def modest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No header of these makes more than 50 MB."""
    monkeypatch.setattr(memory, "available_memory", lambda: 50_000_000)


@pytest.fixture
def silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Neither the library nor Python's warnings print anything."""
    yield
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def judge(path: Path, name: str) -> None:
    started = time.monotonic()
    try:
        volume = read_volume(path)
    except (ValueError, OSError) as error:
        text = str(error)
        assert "\n" not in text and not re.search(r"0x[0-9a-f]{6}|[.]cxx", text) and len(text) < 600, text
        assert name in text, text
    else:
        assert np.isfinite(volume.array).all() and min(volume.spacing) > 0
        assert np.isfinite(volume.origin).all() and np.isfinite(volume.direction).all()
    assert time.monotonic() - started < LONGEST_S


@st.composite
def changed_text(draw: st.DrawFn, header: bytes) -> bytes:
    """A header of lines in which words are replaced, lines doubled or dropped, and bytes turned."""
    lines = header.split(b"\n")
    for _ in range(draw(st.integers(1, 3))):
        k = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["word", "word", "word", "drop", "double", "byte", "more"]))
        if how == "word":
            parts = re.split(rb"([\s,()=:]+)", lines[k])
            parts[draw(st.integers(0, len(parts) - 1))] = draw(st.sampled_from(WORDS)).encode()
            lines[k] = b"".join(parts)
        elif how == "drop" and len(lines) > 2:
            lines.pop(k)
        elif how == "double":
            lines.insert(k, lines[k])
        elif how == "byte" and lines[k]:
            at = draw(st.integers(0, len(lines[k]) - 1))
            lines[k] = lines[k][:at] + bytes([draw(st.integers(0, 255))]) + lines[k][at + 1 :]
        else:
            lines[k] += b" " + draw(st.sampled_from(WORDS)).encode()
    return b"\n".join(lines)


@st.composite
def changed_bytes(draw: st.DrawFn, whole: bytes, head: int) -> bytes:
    """A file with some bytes or two-byte numbers of its header replaced, or cut short."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, head - 9))
        value = draw(st.sampled_from([b"\xff", b"\0", b"\xff\xff", b"\0\0", b"\xff\x7f", b"\0\x80", b"\0\0\xc0\x7f"]))
        value = draw(st.one_of(st.just(value), st.binary(min_size=1, max_size=8)))
        data[at : at + len(value)] = value
    if draw(st.integers(0, 5)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    return bytes(data)


@QUICK
@given(header=st.one_of(changed_text(NRRD), changed_text(NRRD.replace(b"space directions: (0.7,0,0) (0,0.9,0)", b""))))
def test_nrrd(tmp_path, silent, header):
    path = tmp_path / "image.nrrd"
    path.write_bytes(header + VOXELS.tobytes())
    judge(path, "image.nrrd")


@QUICK
@given(header=changed_text(META))
def test_meta_image(tmp_path, silent, header):
    """The library that read these before wrote outside of its memory within a few hundred of them."""
    path = tmp_path / "image.mha"
    path.write_bytes(header + VOXELS.tobytes())
    judge(path, "image.mha")


def _nifti() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.nii")
        sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path)
        return Path(path).read_bytes()


@QUICK
@given(data=changed_bytes(_nifti(), 352))
def test_nifti(tmp_path, silent, data):
    path = tmp_path / "image.nii"
    path.write_bytes(data)
    judge(path, "image.nii")


def _dicom(syntax: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        write_slice(path, VOXELS[0] + 1024, (0.0, 0.0, 0.0), syntax=syntax)
        return path.read_bytes()


SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"]


@QUICK
@given(data=st.sampled_from(SYNTAXES).flatmap(lambda syntax: changed_bytes(_dicom(syntax)[132:], 700)))
def test_dicom(tmp_path, silent, data):
    path = tmp_path / "image.dcm"
    path.write_bytes(bytes(128) + b"DICM" + data)
    judge(path, "image.dcm")


@QUICK
@given(data=st.binary(max_size=400))
def test_anything_behind_the_preamble(tmp_path, silent, data):
    path = tmp_path / "image.dcm"
    path.write_bytes(bytes(128) + b"DICM" + data)
    judge(path, "image.dcm")
