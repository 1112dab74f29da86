"""NIfTI: the scale, the place and the bytes that a header declares, against what is true and what is there."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.volume import Volume, read_volume, write_volume

DATATYPES = {"i1": 256, "u1": 2, "i2": 4, "u2": 512, "i4": 8, "u4": 768, "i8": 1024, "f4": 16, "f8": 64}


def chest(shape: tuple[int, int, int] = (3, 8, 10)) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, shape).astype(np.int16)


def file(
    path: Path,
    array: np.ndarray | None = None,
    order: str = "<",
    version: int = 1,
    voxels: bytes | None = None,
    **fields,
) -> Path:
    """A NIfTI file written by hand; `fields` by name as in nifti1.h, floats or lists."""
    array = chest() if array is None else array
    values = {
        "dim": [3, *array.shape[::-1], 1, 1, 1, 1], "pixdim": [1, 0.7, 0.9, 2.5, 0, 0, 0, 0], "scl_slope": 0.0,
        "scl_inter": 0.0, "vox_offset": 352 if version == 1 else 544, "qform_code": 0, "sform_code": 1, "xyzt_units": 2,
        "quatern": [0, 0, 0], "qoffset": [0, 0, 0], "srow": [-0.7, 0, 0, 9, 0, -0.9, 0, 8, 0, 0, 2.5, 7],
        "intent_code": 0,
        "datatype": DATATYPES[array.dtype.str[1:]], "magic": b"n+1\0" if version == 1 else b"n+2\0\r\n\x1a\n",
    } | fields  # fmt: skip
    places = {
        1: {
            "dim": (40, "8h"), "intent_code": (68, "h"), "datatype": (70, "h"), "pixdim": (76, "8f"),
            "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "B"),
            "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern": (256, "3f"), "qoffset": (268, "3f"),
            "srow": (280, "12f"), "magic": (344, "4s"),
        },
        2: {
            "dim": (16, "8q"), "intent_code": (504, "i"), "datatype": (12, "h"), "pixdim": (104, "8d"),
            "vox_offset": (168, "q"), "scl_slope": (176, "d"), "scl_inter": (184, "d"), "xyzt_units": (500, "i"),
            "qform_code": (344, "i"), "sform_code": (348, "i"), "quatern": (352, "3d"), "qoffset": (376, "3d"),
            "srow": (400, "12d"), "magic": (4, "8s"),
        },
    }[version]  # fmt: skip
    size = {1: 348, 2: 540}[version]
    head = bytearray(size + 4)
    struct.pack_into(order + "i", head, 0, size)
    for name, (at, form) in places.items():
        value = values[name]
        struct.pack_into(order + form, head, at, *(value if isinstance(value, list) else [value]))
    data = array.astype(array.dtype.newbyteorder(order)).tobytes() if voxels is None else voxels
    whole = bytes(head) + data
    path.write_bytes(gzip.compress(whole) if path.suffix == ".gz" else whole)
    return path


def refuse(path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_integers_with_a_scale_are_read(tmp_path, name, order, version):
    """What every NIfTI library writes for floats that it saves as integers: it used to be called truncated."""
    stored = np.random.default_rng(0).integers(-32768, 32767, (3, 8, 10)).astype(np.int16)
    path = file(tmp_path / name, stored, order, version, scl_slope=0.03, scl_inter=-20.0)
    expected = stored * np.float32(0.03).astype(float) - 20.0
    np.testing.assert_allclose(read_volume(path, True).array, np.maximum(expected, -1024), atol=2e-3)
    np.testing.assert_allclose(read_volume(path).spacing, (0.7, 0.9, 2.5), atol=1e-6)


def test_a_pair_of_scaled_integers_is_read(tmp_path):
    file(tmp_path / "a.hdr", magic=b"ni1\0", scl_slope=2.0, scl_inter=-24.0, vox_offset=0, voxels=b"")
    data = tmp_path / "a.hdr"
    data.write_bytes(data.read_bytes()[:348])
    (tmp_path / "a.img").write_bytes((chest() // 2).tobytes())
    for name in ("a.hdr", "a.img"):
        expected = np.maximum(chest() // 2 * 2.0 - 24.0, -1024)
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, expected)


@pytest.mark.parametrize("kind", list(DATATYPES))
def test_every_type_of_voxels(tmp_path, kind):
    array = np.random.default_rng(1).integers(0, 120, (3, 8, 10)).astype(kind)
    np.testing.assert_array_equal(read_volume(file(tmp_path / "a.nii", array), True).array, array)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("slope", [0.0, 1.5])
def test_voxels_that_are_no_numbers_do_not_become_water(tmp_path, bad, kind, slope):
    array = chest().astype(kind)
    array[1, 2, 3:5] = bad
    refuse(file(tmp_path / "a.nii", array, scl_slope=slope), "2 of 240 voxels are not finite")


@pytest.mark.parametrize(
    "fields, pattern",
    [
        ({"vox_offset": 1e7}, "vox_offset|truncated"),
        ({"vox_offset": 1352}, "truncated"),
        ({"vox_offset": 354}, "truncated"),
        ({"vox_offset": -352}, "field vox_offset"),
        ({"vox_offset": 100}, "field vox_offset"),
        ({"vox_offset": float("nan")}, "field vox_offset"),
        ({"vox_offset": float("inf")}, "field vox_offset"),
        ({"dim": [0, 10, 8, 3, 1, 1, 1, 1]}, r"field dim\[0\]"),
        ({"dim": [9, 10, 8, 3, 1, 1, 1, 1]}, r"field dim\[0\]"),
        ({"dim": [3, -10, 8, 3, 1, 1, 1, 1]}, r"field dim\[1\]"),
        ({"dim": [3, 10, 0, 3, 1, 1, 1, 1]}, r"field dim\[2\]"),
        ({"dim": [3, 10, 8, 4, 1, 1, 1, 1]}, "truncated"),
        ({"dim": [4, 10, 8, 1, 3, 1, 1, 1]}, "4-D"),
        ({"dim": [5, 10, 8, 1, 1, 3, 1, 1]}, "vector image with 3 components"),
        ({"pixdim": [1, 0, 0.9, 2.5, 0, 0, 0, 0]}, r"field pixdim\[1\]"),
        ({"pixdim": [1, 0.7, -0.9, 2.5, 0, 0, 0, 0]}, r"field pixdim\[2\]"),
        ({"pixdim": [1, 0.7, 0.9, float("nan"), 0, 0, 0, 0]}, r"field pixdim\[3\]"),
        ({"pixdim": [1, 0.7, 0.9, float("inf"), 0, 0, 0, 0]}, r"field pixdim\[3\]"),
        ({"pixdim": [1, 0.7, 0.9, 1e7, 0, 0, 0, 0]}, r"field pixdim\[3\]"),
        ({"scl_slope": float("inf")}, "field scl_slope"),
        ({"scl_slope": float("nan"), "scl_inter": -1024.0}, "field scl_slope"),
        ({"scl_slope": 2.0, "scl_inter": float("nan")}, "field scl_inter"),
        ({"datatype": 128}, "RGB.*field datatype"),
        ({"datatype": 32}, "complex.*field datatype"),
        ({"datatype": 77}, "unknown.*field datatype"),
        ({"intent_code": 1002}, "label map"),
        ({"xyzt_units": 5}, "field xyzt_units"),
        ({"srow": [float("nan")] * 12}, "field srow"),
        ({"srow": [0.0] * 12}, "field srow"),
        ({"srow": [0.7, 0.3, 0, 0, 0, 0.9, 0, 0, 0, 0, 2.5, 0]}, "shear"),
        ({"sform_code": 0, "qform_code": 1, "quatern": [1, 1, 1]}, "field.*quatern"),
        ({"sform_code": 0, "qform_code": 1, "qoffset": [float("inf"), 0, 0]}, "qoffset"),
        ({"srow": [-0.7, 0, 0, 1e9, 0, -0.9, 0, 8, 0, 0, 2.5, 7]}, "origin"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_right_is_refused_by_its_field(tmp_path, fields, pattern):
    refuse(file(tmp_path / "a.nii", **fields), pattern)
    refuse(file(tmp_path / "a.nii.gz", **fields), pattern)


def test_an_extension_before_the_voxels_is_passed_over(tmp_path):
    path = file(tmp_path / "a.nii", vox_offset=384, voxels=bytes(32) + chest().tobytes())
    np.testing.assert_array_equal(read_volume(path).array, np.maximum(chest(), -1024))


def test_the_scale_that_one_writer_leaves_not_a_number_is_told(tmp_path):
    volume = read_volume(file(tmp_path / "a.nii", scl_slope=float("nan"), scl_inter=float("nan")))
    np.testing.assert_array_equal(volume.array, chest())
    assert "scl_slope" in volume.notes[0]


@pytest.mark.parametrize("shear, qform", [(2.5e-4, 0), (1e-4, 0), (4e-3, 0), (0.3, 1)])
def test_an_affine_form_that_is_hardly_sheared_is_straightened(tmp_path, shear, qform):
    """And one that is much so gives way to the quaternion form, where there is one."""
    rows = [-0.7, 0, shear, 9, 0, -0.9, 0, 8, 0, 0, 2.5, 7]
    quaternion = {"quatern": [0, 0, 1], "qoffset": [9, 8, 7]}
    volume = read_volume(file(tmp_path / "a.nii", srow=rows, qform_code=qform, **quaternion))
    matrix = np.reshape(volume.direction, (3, 3))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix, np.eye(3), atol=2e-3)
    np.testing.assert_allclose(volume.spacing, (0.7, 0.9, 2.5), atol=1e-5)
    np.testing.assert_allclose(volume.origin, (-9, -8, 7), atol=1e-6)


@pytest.mark.parametrize("units, factor", [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001)])
def test_units_of_length(tmp_path, units, factor):
    pixdim = [1, 0.7 / factor, 0.9 / factor, 2.5 / factor, 0, 0, 0, 0]
    rows = [value / factor for value in (-0.7, 0, 0, 9, 0, -0.9, 0, 8, 0, 0, 2.5, 7)]
    for codes in ({"sform_code": 1}, {"sform_code": 0, "qform_code": 1, "quatern": [0, 0, 1]}):
        place = {"srow": rows, "qoffset": [9 / factor, 8 / factor, 7 / factor], **codes}
        volume = read_volume(file(tmp_path / "a.nii", xyzt_units=units | 8, pixdim=pixdim, **place))
        np.testing.assert_allclose(volume.spacing, (0.7, 0.9, 2.5), rtol=1e-6)
        np.testing.assert_allclose(volume.origin, (-9, -8, 7), rtol=1e-6)


def test_a_header_without_a_place_is_told(tmp_path):
    volume = read_volume(file(tmp_path / "a.nii", sform_code=0))
    assert "qform_code and sform_code are 0" in volume.notes[0]
    assert volume.spacing == pytest.approx((0.7, 0.9, 2.5))


def test_voxel_sizes_that_contradict_each_other_are_told(tmp_path):
    volume = read_volume(file(tmp_path / "a.nii", pixdim=[1, 1, 1, 1, 0, 0, 0, 0]))
    assert volume.spacing == pytest.approx((0.7, 0.9, 2.5)) and "pixdim" in volume.notes[0]


@pytest.mark.parametrize("sform", range(5))
@pytest.mark.parametrize("qform", range(5))
def test_the_place_is_the_one_that_the_library_sees(tmp_path, sform, qform):
    """Two different forms, every pair of codes."""
    path = file(tmp_path / "a.nii", sform_code=sform, qform_code=qform, quatern=[0.5, 0.5, 0.5], qoffset=[1, 2, 3])
    image, volume = sitk.ReadImage(str(path)), read_volume(path)
    np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(volume.direction, image.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(volume.spacing, image.GetSpacing(), atol=1e-6)


def test_a_damaged_stream_is_refused(tmp_path):
    path = tmp_path / "a.nii.gz"
    write_volume(Volume(chest((4, 32, 32)), (1, 1, 1)), path)
    whole = path.read_bytes()
    for cut in (1, 4, 8, len(whole) // 2):
        path.write_bytes(whole[:-cut])
        refuse(path, "end early|corrupt")
    damaged = bytearray(whole)
    damaged[-6] ^= 1
    path.write_bytes(damaged)
    refuse(path, "corrupt")
