"""DICOM-CT-PD files are known by their private groups, whatever their storage class."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from ctdiffusion.acquisition.measured.read import read_projections
from ctdiffusion.images.ctpd import NEEDED, is_projection, projections_refusal
from ctdiffusion.images.dicomfile import read_tags
from ctdiffusion.images.volume import read_volume
from dicom_files import CT_STORAGE, write_slice
from hypothesis import given, settings
from hypothesis import strategies as st

RAW = "1.2.840.10008.5.1.4.1.1.66"
PLAIN = np.zeros((8, 4), np.int16)


def element(tag: tuple[int, int], kind: str, value: bytes, implicit: bool = False) -> bytes:
    head = struct.pack("<HH", *tag)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    if kind in ("OB", "SQ", "UN"):
        return head + kind.encode() + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + kind.encode() + struct.pack("<H", len(value)) + value


def with_private(path: Path, tags: list[int], before: bytes = b"", sop: str = CT_STORAGE) -> Path:
    """A CT image file with private elements before its pixels."""
    write_slice(path, PLAIN, (0.0, 0.0, 0.0), sop_class=sop)
    raw = path.read_bytes()
    pixels = raw.index(b"\xe0\x7f\x10\x00OW")
    private = b"".join(element((tag >> 16, tag & 0xFFFF), "FL", struct.pack("<f", 1.0)) for tag in sorted(tags))
    path.write_bytes(raw[:pixels] + before + private + raw[pixels:])
    return path


def test_a_projection_of_class_ct_image_is_recognised_and_its_groups_are_named(tmp_path: Path) -> None:
    path = with_private(tmp_path / "a.dcm", list(NEEDED))
    assert is_projection(read_tags(path))
    with pytest.raises(ValueError, match=r"a\.dcm: .*DICOM-CT-PD by its private groups 7029, 7031, 7033\).*") as caught:
        read_projections(path)
    assert "missing" not in str(caught.value) and "(7031,1003) source to isocentre" in str(caught.value)


@pytest.mark.parametrize("group", [0x7029, 0x7031, 0x7033])
def test_one_private_group_is_enough_and_what_is_missing_is_listed(tmp_path: Path, group: int) -> None:
    path = with_private(tmp_path / "a.dcm", [group << 16 | 0x1001, group << 16 | 0x0010])
    assert is_projection(read_tags(path))
    assert f"private groups {group:04X})" in projections_refusal(path)
    assert "missing here:" in projections_refusal(path) and "(7029,100B)" in projections_refusal(path)


@pytest.mark.parametrize("group", [0x7029, 0x7031, 0x7033])
def test_the_volume_path_knows_them_by_the_same_groups(tmp_path: Path, group: int) -> None:
    with_private(tmp_path / "a.dcm", [group << 16 | 0x1005])
    with pytest.raises(ValueError, match=r"a\.dcm: raw projection data \(DICOM-CT-PD\), not an image"):
        read_volume(tmp_path)


def test_raw_data_without_private_groups_and_images(tmp_path: Path) -> None:
    path = with_private(tmp_path / "raw.dcm", [], sop=RAW)
    assert is_projection(read_tags(path))
    path = with_private(tmp_path / "image.dcm", [0x00291002, 0x70051003])
    assert not is_projection(read_tags(path))
    with pytest.raises(ValueError, match=r"image\.dcm: a DICOM image, not projections; without --measured"):
        read_projections(path)


def test_tags_inside_sequences_and_in_pixels_do_not_count(tmp_path: Path) -> None:
    inner = element((0x7031, 0x1003), "FL", struct.pack("<f", 1.0))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    open_end = struct.pack("<HH", 0x0040, 0x0555) + b"SQ\0\0" + struct.pack("<I", 0xFFFFFFFF) + item * 3
    open_end += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    closed = element((0x0040, 0x0556), "SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner)
    assert not is_projection(read_tags(with_private(tmp_path / "a.dcm", [], open_end + closed)))
    assert is_projection(read_tags(with_private(tmp_path / "b.dcm", [0x7033100E], open_end + closed)))
    path = with_private(tmp_path / "c.dcm", [])
    path.write_bytes(path.read_bytes() + element((0x7031, 0x1003), "FL", bytes(4)))
    assert not is_projection(read_tags(path))


def test_implicit_little_endian(tmp_path: Path) -> None:
    meta = element((2, 2), "UI", CT_STORAGE.encode() + b"\0") + element((2, 0x10), "UI", b"1.2.840.10008.1.2\0")
    body = element((8, 0x60), "CS", b"CT", implicit=True)
    private = element((0x7031, 0x1003), "FL", struct.pack("<f", 595.0), implicit=True)
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + meta + body + private)
    (tmp_path / "b.dcm").write_bytes(b"\0" * 128 + b"DICM" + meta + body)
    assert is_projection(read_tags(tmp_path / "a.dcm")) and not is_projection(read_tags(tmp_path / "b.dcm"))


def test_a_folder_of_projections_is_named(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "notes.txt").write_text("x")
    with_private(tmp_path / "scan" / "p1.dcm", list(NEEDED))
    with pytest.raises(ValueError, match=r"scan: a folder of DICOM files; p1\.dcm: .*DICOM-CT-PD"):
        read_projections(tmp_path / "scan")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 700))
def test_damaged_headers_end_quietly(tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int) -> None:
    path = with_private(tmp_path_factory.mktemp("d") / "a.dcm", list(NEEDED))
    raw = path.read_bytes()
    path.write_bytes(raw[: 132 + place] + noise + raw[132 + place + len(noise) :])
    assert projections_refusal(path).startswith("a.dcm: ")
    assert is_projection(read_tags(path)) in (True, False)
