"""NRRD and MetaImage: the voxel size must be told, in a unit that is known, by numbers; and the library agrees."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.files import read_image
from ctdiffusion.images.volume import read_volume


def chest() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, (3, 8, 10)).astype(np.int16)


NRRD = {
    "type": "short", "dimension": "3", "space": "left-posterior-superior", "sizes": "10 8 3",
    "space directions": "(0.7,0,0) (0,0.9,0) (0,0,2.5)", "endian": "little", "encoding": "raw",
    "space origin": "(1,2,3)",
}  # fmt: skip
PLAIN = {k: v for k, v in NRRD.items() if not k.startswith("space")} | {"spacings": "0.7 0.9 2.5"}
META = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "1 2 3",
    "ElementSpacing": "0.7 0.9 2.5", "DimSize": "10 8 3", "ElementType": "MET_SHORT", "ElementDataFile": "LOCAL",
}  # fmt: skip


def write(path: Path, fields: dict[str, str | None], data: bytes | None = None, **changes: str | None) -> Path:
    """A header of the path's kind with some fields changed, or (None) dropped, and voxels behind it."""
    for name, value in changes.items():
        if name in fields or value is not None:
            fields = fields | {name: value}
    nrrd = path.suffix == ".nrrd"
    if not nrrd:
        fields = fields | {"ElementDataFile": fields["ElementDataFile"]}
        fields = {k: v for k, v in fields.items() if k != "ElementDataFile"} | {"ElementDataFile": "LOCAL"}
    lines = [f"{k}{': ' if nrrd else ' = '}{v}" for k, v in fields.items() if v is not None]
    head = "\n".join((["NRRD0004"] if nrrd else []) + lines) + ("\n\n" if nrrd else "\n")
    path.write_bytes(head.encode() + (chest().tobytes() if data is None else data))
    return path


def refuse(path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(path.name)


@pytest.mark.parametrize(
    "fields, changes, pattern",
    [
        (PLAIN, {"spacings": None}, "no voxel size .field spacings or space directions"),
        (PLAIN, {"spacings": "0 0.9 2.5"}, "field spacings"),
        (PLAIN, {"spacings": "nan nan nan"}, "field spacings"),
        (PLAIN, {"spacings": "inf 1 1"}, "field spacings"),
        (PLAIN, {"spacings": "-0.7 0.9 2.5"}, "field spacings"),
        (PLAIN, {"spacings": "0,7 0,9 2,5"}, "field spacings"),
        (PLAIN, {"spacings": "0.7 0.9"}, "field spacings"),
        (PLAIN, {"spacings": "1e7 1 1"}, "not the size of a voxel"),
        (PLAIN, {"spacings": "0.0001 1 1"}, "no voxel"),
        (PLAIN, {"units": '"pixel" "pixel" "pixel"'}, "field units"),
        (NRRD, {"space directions": "(0,0,0) (0,1,0) (0,0,1)"}, "field space directions"),
        (NRRD, {"space directions": "(nan,0,0) (0,1,0) (0,0,1)"}, "field space directions"),
        (NRRD, {"space directions": "(1,0,0) (0,1,0)"}, "field space directions"),
        (NRRD, {"space directions": "(1,0,0) (1,0,0) (0,0,1)"}, "direction"),
        (NRRD, {"space directions": "(1e300,0,0) (0,1,0) (0,0,1)"}, "not the size of a voxel"),
        (NRRD, {"space origin": "(1e9,0,0)"}, "origin"),
        (NRRD, {"space origin": "(nan,0,0)"}, "field space origin"),
        (NRRD, {"space units": '"inch" "inch" "inch"'}, "field space units"),
        (NRRD, {"endian": None}, "field endian"),
        (NRRD, {"type": "block"}, "field type"),
        (NRRD, {"encoding": "zip"}, "field encoding"),
        (NRRD, {"sizes": "10 8 -3"}, "field sizes"),
        (NRRD, {"sizes": "10 8"}, "field dimension"),
        (NRRD, {"byte skip": "x"}, "field byte skip"),
        (NRRD, {"sizes": "10 8 4"}, "truncated"),
        (META, {"ElementSpacing": None}, "no voxel size .field ElementSpacing"),
        (META, {"ElementSpacing": "0 0.9 2.5"}, "field ElementSpacing"),
        (META, {"ElementSpacing": "nan 0.9 2.5"}, "field ElementSpacing"),
        (META, {"ElementSpacing": "0,7 0,9 2,5"}, "field ElementSpacing"),
        (META, {"ElementSpacing": "0.7 0.9"}, "field ElementSpacing"),
        (META, {"TransformMatrix": "1 0 0 0 1 0 0 0"}, "field TransformMatrix"),
        (META, {"TransformMatrix": "1 0.3 0 0 1 0 0 0 1"}, "direction"),
        (META, {"Offset": "inf 0 0"}, "field Offset"),
        (META, {"ElementType": "MET_STRING"}, "field ElementType"),
        (META, {"DimSize": "10 8 4"}, "truncated"),
        (META, {"DimSize": "10 8 0"}, "field DimSize"),
        (META, {"NDims": "4"}, "field NDims"),
        (META, {"NDims": "99999999999"}, "field NDims"),
        (META, {"ElementNumberOfChannels": "3"}, "RGB"),
        (META, {"HeaderSize": "-7"}, "field HeaderSize"),
        (META, {"CompressedData": "perhaps"}, "field CompressedData"),
    ],
)
def test_what_cannot_be_right_is_refused_by_its_field(tmp_path, fields, changes, pattern):
    refuse(write(tmp_path / ("a.nrrd" if "sizes" in fields else "a.mha"), fields, **changes), pattern)


@pytest.mark.parametrize("missing", [{"spacings": None}, {"spacings": "0 0 0"}])
def test_a_sinogram_needs_no_voxel_size(tmp_path, missing):
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.nrrd", PLAIN, **missing)).array, chest())
    gone = {"ElementSpacing": None}
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.mha", META, **gone)).array, chest())


@pytest.mark.parametrize("unit, factor", [("mm", 1.0), ("cm", 10.0), ("um", 1e-3), ("m", 1000.0)])
def test_units_of_length(tmp_path, unit, factor):
    spacing = np.array([0.7, 0.9, 2.5]) / factor
    directions = "({},0,0) (0,{},0) (0,0,{})".format(*spacing)
    origin = "({},{},{})".format(*(np.array([1, 2, 3]) / factor))
    changes = {"space directions": directions, "space origin": origin, "space units": f'"{unit}" "{unit}" "{unit}"'}
    volume = read_volume(write(tmp_path / "a.nrrd", NRRD, **changes))
    np.testing.assert_allclose(volume.spacing, (0.7, 0.9, 2.5))
    np.testing.assert_allclose(volume.origin, (1, 2, 3))


@pytest.mark.parametrize("space", ["RAS", "LAS", "LPS", "left-anterior-superior", "scanner-xyz", "3D-right-handed"])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii", "hex"])
def test_the_library_sees_the_same_nrrd(tmp_path, space, encoding):
    data = {
        "raw": chest().tobytes(), "gzip": gzip.compress(chest().tobytes()), "hex": chest().tobytes().hex().encode(),
        "ascii": " ".join(map(str, chest().ravel())).encode(),
    }[encoding]  # fmt: skip
    changes = {"space": space, "encoding": encoding, "space directions": "(0,0.8,0) (0.6,0,0) (0,0,-2)"}
    path = write(tmp_path / "a.nrrd", NRRD, data, **changes)
    image, volume = sitk.ReadImage(str(path)), read_volume(path)
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.spacing, image.GetSpacing())
    np.testing.assert_allclose(volume.origin, image.GetOrigin())
    np.testing.assert_allclose(volume.direction, image.GetDirection(), atol=1e-12)


def test_bzip2_and_what_is_skipped(tmp_path):
    packed = write(tmp_path / "a.nrrd", NRRD, bz2.compress(chest().tobytes()), encoding="bzip2")
    np.testing.assert_array_equal(read_volume(packed).array, chest())
    for changes, data in (
        ({"byte skip": "7"}, bytes(7) + chest().tobytes()),
        ({"byte skip": "-1"}, bytes(99) + chest().tobytes()),
        ({"line skip": "2"}, b"one\ntwo\n" + chest().tobytes()),
    ):
        np.testing.assert_array_equal(read_volume(write(tmp_path / "b.nrrd", NRRD, data, **changes)).array, chest())


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd", ".nhdr"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["i1", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_the_library_s_files_are_read(tmp_path, suffix, packed, kind):
    array = np.random.default_rng(0).integers(0, 100, (3, 8, 10)).astype(kind)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((3.5, -7.25, 11.0))
    image.SetDirection((0.6, -0.8, 0, 0, 0, 1, -0.8, -0.6, 0))
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"), packed)
    pixels = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(pixels.array, array)
    assert pixels.array.dtype == array.dtype
    np.testing.assert_allclose(pixels.spacing, image.GetSpacing())
    np.testing.assert_allclose(pixels.origin, image.GetOrigin())
    np.testing.assert_allclose(pixels.direction, image.GetDirection(), atol=1e-12)


def test_a_header_behind_a_link_finds_its_data(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/a.raw").write_bytes(chest().tobytes())
    fields = NRRD | {"data file": "a.raw"}
    write(tmp_path / "store/a.nrrd", fields, b"").rename(tmp_path / "store/a.nhdr")
    (tmp_path / "link.nhdr").symlink_to(tmp_path / "store/a.nhdr")
    np.testing.assert_array_equal(read_volume(tmp_path / "link.nhdr").array, chest())


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "nul\0"])
def test_a_data_file_of_an_impossible_name_is_refused(tmp_path, name):
    path = write(tmp_path / "a.nrrd", NRRD | {"data file": name}, b"")
    refuse(path, "a.nrrd: ")
