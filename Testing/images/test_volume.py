"""Volumes and image files: what is kept, what is refused."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from ctdiffusion.images import memory
from ctdiffusion.images.volume import Volume, read_volume, write_volume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_data import shared

SUFFIXES = [".nrrd", ".nii.gz", ".nii", ".mha"]


def chest(shape: tuple[int, int, int] = (3, 8, 10)) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, shape).astype(np.int16)


def rotation(a: float, b: float, c: float) -> np.ndarray:
    def turn(i: int, j: int, angle: float) -> np.ndarray:
        m = np.eye(3)
        m[i, i] = m[j, j] = np.cos(angle)
        m[i, j], m[j, i] = -np.sin(angle), np.sin(angle)
        return m

    return turn(0, 1, a) @ turn(0, 2, b) @ turn(1, 2, c)


def save(path: Path, array: np.ndarray, vector: bool = False, **metadata: str) -> Path:
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    for key, value in metadata.items():
        image.SetMetaData(key, value)
    SimpleITK.WriteImage(image, str(path))
    return path


def nrrd(path: Path, header: str, data: bytes, sizes: str = "10 8 3") -> Path:
    start = f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
    path.write_bytes(f"{start}{header}\nendian: little\n\n".encode() + data)
    return path


def refuse(path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    mirrored=st.booleans(),
    spacing=st.tuples(*[st.floats(0.05, 12.0)] * 3),
    origin=st.tuples(*[st.floats(-800.0, 800.0)] * 3),
)
def test_place_and_values_survive_a_file(tmp_path, suffix, angles, mirrored, spacing, origin):
    matrix = rotation(*angles) @ np.diag([1.0, 1.0, -1.0 if mirrored else 1.0])
    volume = Volume(chest(), spacing, origin, tuple(matrix.ravel()))
    path = tmp_path / f"volume{suffix}"
    write_volume(volume, path)
    back = read_volume(path)
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.spacing, spacing, atol=1e-4)
    np.testing.assert_allclose(back.origin, origin, atol=1e-4)
    np.testing.assert_allclose(back.direction, volume.direction, atol=1e-5)
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 4), length=st.integers(1, 5), angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3))
def test_slices_stay_where_they_were(start, length, angles):
    volume = Volume(chest((9, 4, 5)), (0.7, 0.8, 2.5), (3.0, -4.0, 5.0), tuple(rotation(*angles).ravel()))
    part = volume.slices(start, start + length)
    matrix = np.reshape(volume.direction, (3, 3)) @ np.diag(volume.spacing)
    np.testing.assert_allclose(part.origin, volume.origin + matrix @ [0, 0, start], atol=1e-9)
    np.testing.assert_array_equal(part.array, volume.array[start : start + length])


@pytest.mark.parametrize("start, stop", [(2, 2), (-1, 2), (0, 4), (2, 1)])
def test_slices_outside_are_refused(start, stop):
    with pytest.raises(ValueError, match=f"{start}:{stop}"):
        Volume(chest(), (1, 1, 1)).slices(start, stop)


def test_grid_is_in_slice_row_column_order():
    grid = Volume(chest((3, 8, 10)), (0.7, 0.8, 2.5), (10.0, 20.0, 30.0)).grid
    assert (grid.shape, grid.spacing, grid.centre) == ((3, 8, 10), (2.5, 0.8, 0.7), (0.0, 0.0, 0.0))


def test_like_keeps_the_place_and_refuses_another_shape():
    volume = Volume(chest(), (0.7, 0.8, 2.5), (1.0, 2.0, 3.0))
    other = volume.like(np.zeros(volume.array.shape))
    assert (other.spacing, other.origin, other.array.dtype) == (volume.spacing, volume.origin, np.float32)
    with pytest.raises(ValueError, match="shape"):
        volume.like(np.zeros((2, 8, 10)))


@pytest.mark.parametrize(
    "array",
    [
        chest((6, 8, 20))[::2, :, ::2],
        chest().astype(">i2"),
        chest().astype(">f8"),
        np.asfortranarray(chest()),
        np.broadcast_to(np.float32(-1000), (3, 8, 10)),
    ],
    ids=["strided", "big-endian int", "big-endian float", "Fortran", "read-only"],
)
def test_odd_arrays_become_plain(array):
    volume = Volume(array, (1, 1, 1))
    assert volume.array.flags.c_contiguous and volume.array.flags.writeable
    assert volume.array.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"array": np.zeros((0, 4, 4))}, "shape"),
        ({"array": np.zeros((4, 4))}, "shape"),
        ({"array": np.zeros((2, 4, 4), complex)}, "scalar"),
        ({"spacing": (1, 0, 1)}, "spacing"),
        ({"spacing": (1, float("nan"), 1)}, "spacing"),
        ({"origin": (0, float("inf"), 0)}, "origin"),
        ({"direction": (1, 0.1, 0, 0, 1, 0, 0, 0, 1)}, "direction"),
        ({"direction": (0,) * 9}, "direction"),
        ({"direction": (1, 0, 0, 1)}, "direction"),
    ],
)
def test_impossible_volumes_are_refused(changes, field):
    with pytest.raises(ValueError, match=field):
        replace(Volume(chest(), (1, 1, 1)), **changes)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_2d_image_is_one_slice(tmp_path, suffix):
    volume = read_volume(save(tmp_path / f"a{suffix}", chest()[0]))
    np.testing.assert_array_equal(volume.array, chest()[:1])
    assert "one slice" in volume.notes[0]


@pytest.mark.parametrize(
    "name, array, vector, metadata, pattern",
    [
        ("four.nrrd", np.zeros((2, 3, 8, 10), np.int16), False, {}, "4-D"),
        ("four.nii", np.zeros((2, 3, 8, 10), np.int16), False, {}, "4-D"),
        ("rgb.nrrd", np.zeros((3, 8, 10, 3), np.uint8), True, {}, "RGB"),
        ("vector.mha", np.zeros((3, 8, 10, 2), np.float32), True, {}, "vector"),
        ("complex.nrrd", np.zeros((3, 8, 10), np.complex64), False, {}, "vector|scalar"),
        ("parts.seg.nrrd", np.zeros((3, 8, 10), np.int16), False, {"Segment0_ID": "liver"}, "segmentation"),
    ],
)
def test_other_kinds_of_image_are_refused_by_name(tmp_path, name, array, vector, metadata, pattern):
    refuse(save(tmp_path / name, array, vector, **metadata), pattern)
    refuse(tmp_path / name, name)


def test_a_nifti_label_map_says_so_itself(tmp_path):
    path = save(tmp_path / "a.nii", chest())
    raw = bytearray(path.read_bytes())
    struct.pack_into("<h", raw, 68, 1002)
    path.write_bytes(raw)
    refuse(path, "a.nii: a NIfTI label map")


def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 5, (3, 8, 10)).astype(np.int16)


@pytest.mark.parametrize(
    "array, pattern",
    [
        (labels(), "label map"),
        (np.arange(240).reshape(3, 8, 10).astype(np.uint8), "8-bit"),
        (chest() + np.int16(1024), "rescale"),
        (np.where(chest() > 1000, np.int16(-2000), chest() + np.int16(1024)), "rescale"),
        (np.abs(chest()).astype(np.float32) * 2 - 20, "MR"),
        ((chest() / 1500.0).astype(np.float32), "normalised"),
        (np.full((3, 8, 10), -2000, np.int16) + labels(), "twice"),
    ],
    ids=["labels", "8-bit", "rescale missing", "padded, rescale missing", "MR", "normalised", "rescaled twice"],
)
def test_values_that_are_not_hu_are_refused_with_a_hint(tmp_path, array, pattern):
    path = save(tmp_path / "image.nrrd", array)
    refuse(path, pattern)
    refuse(path, "assume_hu=True")
    np.testing.assert_allclose(
        read_volume(path, assume_hu=True).array, np.maximum(array.astype(float), -1024), rtol=1e-6
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_counted_and_refused(tmp_path, bad):
    array = chest().astype(np.float32)
    array[1, 2, 3:5] = bad
    refuse(save(tmp_path / "image.nrrd", array), "2 of 240 voxels are not finite")


@pytest.mark.parametrize("value", [-1000, 0, 40])
def test_a_constant_image_is_fine(tmp_path, value):
    volume = read_volume(save(tmp_path / "image.nrrd", np.full((3, 8, 10), value, np.int16)))
    assert (volume.array == value).all() and volume.notes == ()


def test_padding_is_clipped_and_metal_told(tmp_path):
    array = chest()
    array[0, 0], array[0, 1, :5] = -3024, 9000
    volume = read_volume(save(tmp_path / "image.nrrd", array))
    np.testing.assert_array_equal(volume.array, np.maximum(array, -1024))
    padding, metal = volume.notes
    assert padding.startswith("4.2 % of the voxels lay below -1024 HU")
    assert metal.startswith("2.1 % of the voxels lie above 4000 HU") and "9000" in metal


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    write_volume(Volume(chest((4, 16, 16)), (1, 1, 1)), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    refuse(path, f"image{suffix}")


def test_a_nifti_whose_stream_ends_early_is_not_filled_with_zeros(tmp_path):
    path = tmp_path / "image.nii.gz"
    write_volume(Volume(chest((4, 16, 16)), (1, 1, 1)), path)
    path.write_bytes(path.read_bytes()[:-12])
    refuse(path, "end early")


@pytest.mark.parametrize("name", ["image.nrrd", "image.nii", "image.nii.gz", "image.mha", "image.txt", "image"])
def test_empty_and_foreign_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    refuse(tmp_path / name, name)
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(5000))
    refuse(tmp_path / name, name)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="no such file"):
        read_volume(tmp_path / "nothing.nrrd")


STRAIGHT = "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: {}"


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_a_header_that_promises_too_much_is_refused_before_anything_is_allocated(tmp_path, encoding):
    path = nrrd(tmp_path / "huge.nrrd", STRAIGHT.format(encoding), bytes(480), sizes="2048 2048 2048")
    refuse(path, "2048|GB|bytes")


def test_a_lying_nifti_header_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**15)
    path = tmp_path / "lie.nii"
    write_volume(Volume(chest(), (1, 1, 1)), path)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<3h", raw, 42, 2048, 2048, 2048)
    path.write_bytes(raw)
    refuse(path, "its header declares 34,359,738,368 bytes")


def test_a_true_header_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    write_volume(Volume(chest(), (1, 1, 1)), tmp_path / "a.nrrd")
    refuse(tmp_path / "a.nrrd", r"10 x 8 x 3 voxels needs about .* GB of memory")


@pytest.mark.parametrize("target", ["../secret.raw", "../../etc/passwd", "/etc/passwd", "sub/../../secret.raw"])
@pytest.mark.parametrize("kind", ["nrrd", "mhd"])
def test_detached_data_outside_the_folder_is_not_followed(tmp_path, target, kind):
    (tmp_path / "secret.raw").write_bytes(chest().tobytes())
    folder = tmp_path / "in"
    folder.mkdir()
    if kind == "nrrd":
        path = nrrd(folder / "a.nhdr", STRAIGHT.format("raw") + f"\ndata file: {target}", b"")
    else:
        path = folder / "a.mhd"
        path.write_text(f"NDims = 3\nDimSize = 10 8 3\nElementType = MET_SHORT\nElementDataFile = {target}\n")
    refuse(path, "outside its own folder")


def test_a_link_does_not_lead_detached_data_out_of_the_folder(tmp_path):
    (tmp_path / "secret.raw").write_bytes(chest().tobytes())
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.raw").symlink_to(tmp_path / "secret.raw")
    refuse(nrrd(folder / "a.nhdr", STRAIGHT.format("raw") + "\ndata file: a.raw", b""), "outside its own folder")


def test_detached_data_beside_the_header_is_read(tmp_path):
    (tmp_path / "a.raw").write_bytes(chest().tobytes())
    path = nrrd(tmp_path / "a.nhdr", STRAIGHT.format("raw") + "\ndata file: a.raw", b"")
    np.testing.assert_array_equal(read_volume(path).array, chest())
    (tmp_path / "a.raw").unlink()
    refuse(path, "missing")
    refuse(nrrd(tmp_path / "b.nhdr", STRAIGHT.format("raw") + "\ndata file: LIST\na.raw", b""), "list of files")


@pytest.mark.parametrize(
    "directions, flips", [("(-1,0,0) (0,1,0) (0,0,2)", (-1, 1, 1)), ("(1,0,0) (0,-1,0) (0,0,-2)", (1, -1, -1))]
)
def test_negative_axes_are_kept(tmp_path, directions, flips):
    header = f"space directions: {directions}\nspace origin: (0,0,0)\nencoding: raw"
    volume = read_volume(nrrd(tmp_path / "a.nrrd", header, chest().tobytes()))
    np.testing.assert_array_equal(np.reshape(volume.direction, (3, 3)), np.diag(flips))
    assert volume.spacing == (1.0, 1.0, 2.0)


def test_a_sheared_image_is_refused(tmp_path):
    header = "space directions: (1,0,0) (0,1,0) (0,0.3,1)\nspace origin: (0,0,0)\nencoding: raw"
    refuse(nrrd(tmp_path / "a.nrrd", header, chest().tobytes()), "a.nrrd: direction: .*shear")


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("sitk::ERROR: first line\nthe disk is full")

    volume = Volume(chest(), (1, 1, 1))
    write_volume(volume, tmp_path / "kept.nrrd")
    before = (tmp_path / "kept.nrrd").read_bytes()
    monkeypatch.setattr(SimpleITK, "WriteImage", fail)
    with pytest.raises(OSError, match=r"kept.nrrd: cannot be written: the disk is full"):
        write_volume(volume, tmp_path / "kept.nrrd")
    assert [p.name for p in tmp_path.iterdir()] == ["kept.nrrd"]
    assert (tmp_path / "kept.nrrd").read_bytes() == before
    with pytest.raises(ValueError, match="format"):
        write_volume(volume, tmp_path / "a.png")


def test_paths_with_spaces_and_accents(tmp_path):
    folder = tmp_path / "Ordner für é 'quoted' $(x);"
    folder.mkdir()
    write_volume(Volume(chest(), (1, 1, 1)), folder / "Brust à.nii.gz")
    np.testing.assert_array_equal(read_volume(folder / "Brust à.nii.gz").array, chest())


def test_the_sample_is_accepted_and_an_mr_is_not():
    volume = read_volume(shared("data/demo/LIDC-IDRI-0001_256x256x64.nii.gz"))
    assert volume.array.shape == (64, 256, 256) and volume.array.min() >= -1024
    with pytest.raises(ValueError, match="MR"):
        read_volume(shared("data/mri/pyradiomics_brain1_T1c_6.5mm.nii.gz"))
