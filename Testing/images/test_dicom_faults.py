"""DICOM that other readers get wrong without a word: scale, display conversions, padding, and what is no slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.dicomfile import read_tags
from ctdiffusion.images.volume import read_intensities, read_volume
from dicom_files import element, write_series, write_slice


def chest(slices: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, (slices, 6, 8)).astype(np.int16)


def refuse(path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes, pattern",
    [
        ({"spacing": None}, "no pixel spacing .tag 0028,0030"),
        ({"spacing": ""}, "no pixel spacing"),
        ({"spacing": (0, 0)}, "positive lengths .tag 0028,0030"),
        ({"spacing": (0.7, -0.7)}, "positive lengths"),
        ({"spacing": (0.7,)}, "two positive lengths"),
        ({"spacing": ("0,9", "0,7")}, r"'0,9\\\\0,7' is no number .tag 0028,0030"),
        ({"spacing": ("nan", "nan")}, "no number .tag 0028,0030"),
        ({"spacing": ("inf", "1")}, "no number .tag 0028,0030"),
        ({"spacing": ("1e999", "1")}, "no number .tag 0028,0030"),
        ({"spacing": ("1e7", "1e7")}, "not the size of a voxel"),
        ({"spacing": None, "extra": [element(0x18, 0x1164, "DS", b"0.7\\0.7")]}, "0018,1164 is that of the detector"),
        ({"slope": "0,5"}, "'0,5' is no number .tag 0028,1053"),
        ({"slope": 0}, "slope of 0 .tag 0028,1053"),
        ({"slope": None}, "tag 0028,1053"),
        ({"slope": ""}, "tag 0028,1053"),
        ({"intercept": None}, "tag 0028,1052"),
        ({"intercept": "-1024,0"}, "no number .tag 0028,1052"),
        ({"orientation": (1, 0, 0, 1, 0, 0)}, "orientation.*0020,0037"),
        ({"orientation": (0, 0, 0, 0, 0, 0)}, "orientation.*0020,0037"),
        ({"stored_bits": 20}, "tags 0028,0100 and 0028,0101"),
        ({"photometric": "PALETTE COLOR"}, "colour.*0028,0004"),
    ],
)
def test_a_scale_or_place_that_is_missing_or_malformed_is_refused_by_its_tag(tmp_path, changes, pattern):
    for k, frame in enumerate(chest(3)):
        write_slice(tmp_path / f"{k}.dcm", frame + 1024, (0.0, 0.0, 2.0 * k), **changes)
    refuse(tmp_path, pattern)


def test_monochrome1_concerns_the_display_alone(tmp_path):
    write_series(tmp_path, chest(), photometric="MONOCHROME1")
    np.testing.assert_array_equal(read_volume(tmp_path).array, chest())


def test_compressed_monochrome1_is_the_same_as_monochrome2(tmp_path):
    """JPEG 2000, lossless, by the library; then the one letter that makes it MONOCHROME1 is changed."""
    stored = (chest(3) + 1024).astype(np.uint16)
    for k, frame in enumerate(stored):
        image = sitk.GetImageFromArray(np.tile(frame, (8, 8))[None])
        for tag, value in {
            "0008|0060": "CT", "0020|000e": "1.2.3.4", "0020|0032": f"0\\0\\{2 * k}", "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1052": "-1024", "0028|1053": "1", "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
        }.items():  # fmt: skip
            image.SetMetaData(tag, value)
        image.SetSpacing((0.7, 0.7, 2.0))
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / f"{k}.dcm"))
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG2000")
        writer.Execute(image)
    assert read_tags(tmp_path / "0.dcm").syntax == "1.2.840.10008.1.2.4.90"
    before = read_volume(tmp_path, assume_hu=True)
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert data.count(b"MONOCHROME2") == 1
        path.write_bytes(data.replace(b"MONOCHROME2", b"MONOCHROME1"))
    after = read_volume(tmp_path, assume_hu=True)
    np.testing.assert_array_equal(after.array, before.array)
    assert len(np.unique(before.array)) > 100


@pytest.mark.parametrize("kind", ["US", "SS"])
@pytest.mark.parametrize("signed", [0, 1])
def test_padding_becomes_air_and_is_told(tmp_path, signed, kind):
    """Unsigned 63536 is -2000 in the other reading; either way the writer's choice of US or SS does not matter."""
    hu = chest(3)
    stored = (hu + 1024).astype(np.int16 if signed else np.uint16)
    stored[:, 0] = np.uint16(63536).astype(stored.dtype)
    padding = element(0x28, 0x120, kind, np.uint16(63536).tobytes())
    for k, frame in enumerate(stored):
        write_slice(tmp_path / f"{k}.dcm", frame, (0.0, 0.0, 2.0 * k), signed=signed, extra=[padding])
    volume = read_volume(tmp_path)
    hu[:, 0] = -1024
    np.testing.assert_array_equal(volume.array, hu)
    assert "17 % of the voxels are padding (tag 0028,0120)" in volume.notes[0]


def test_a_range_of_padding_and_mr_that_has_no_air(tmp_path):
    stored = np.random.default_rng(0).integers(100, 2000, (3, 6, 8)).astype(np.int16)
    stored[:, 0], stored[:, 1] = -5, -9
    padding = [element(0x28, 0x120, "SS", np.int16(-10).tobytes()), element(0x28, 0x121, "SS", np.int16(-3).tobytes())]
    for k, frame in enumerate(stored):
        write_slice(
            tmp_path / f"{k}.dcm", frame, (0, 0, 2 * k), modality="MR", intercept=None, slope=None, extra=padding
        )
    array = read_intensities(tmp_path).array
    assert array.min() == stored[:, 2:].min()
    np.testing.assert_array_equal(array[:, 2:], stored[:, 2:])


def test_padding_that_never_occurs_is_not_told(tmp_path):
    write_series(tmp_path, chest(), extra=[element(0x28, 0x120, "SS", np.int16(-2000).tobytes())])
    assert read_volume(tmp_path).notes == ()


def test_bits_above_the_stored_ones_are_no_values(tmp_path):
    """Twelve bits stored in sixteen, an overlay in the bits above."""
    hu = chest(3)
    stored = (hu + 1024).astype(np.uint16)
    stored[:, ::2] |= 0xF000
    for k, frame in enumerate(stored):
        write_slice(tmp_path / f"{k}.dcm", frame, (0.0, 0.0, 2.0 * k), signed=0, stored_bits=12)
    np.testing.assert_array_equal(read_volume(tmp_path).array, hu)


def test_a_fractional_slope_is_applied(tmp_path):
    write_series(tmp_path, (2 * chest() + 1024).astype(np.int16), slope="0.5", intercept="-1024")
    np.testing.assert_allclose(read_volume(tmp_path).array, chest(), atol=1e-3)


LOCALIZER = ("ORIGINAL", "PRIMARY", "LOCALIZER")


def test_a_localizer_is_left_out_beside_a_series_and_refused_alone(tmp_path):
    write_slice(tmp_path / "scout.dcm", chest(1)[0], (0, 0, 0), image_type=LOCALIZER, series="9", description="SCOUT")
    refuse(tmp_path, "scout.dcm: a localizer")
    paths = write_series(tmp_path, chest())
    # One in the very series, and of another size, as some machines store it.
    write_slice(tmp_path / "own.dcm", chest(1)[0, :4], (0, 0, 0), image_type=LOCALIZER, orientation=(0, 1, 0, 0, 0, -1))
    for path in (tmp_path, paths[1]):
        np.testing.assert_array_equal(read_volume(path).array, chest())
    refuse(tmp_path / "scout.dcm", "a localizer")


@pytest.mark.parametrize(
    "sop_class, modality",
    [
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"),
        ("1.2.840.10008.5.1.4.1.1.88.67", "SR"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR"),
        ("1.2.840.10008.1.3.10", ""),
        ("1.2.840.10008.5.1.4.1.1.104.1", "DOC"),
    ],
)
def test_what_holds_no_pixels_is_no_slice(tmp_path, sop_class, modality):
    paths = write_series(tmp_path, chest())
    other = tmp_path / "ZZ.dcm"
    write_slice(other, chest(1)[0], (0, 0, 0), series="9.9", sop_class=sop_class, modality=modality)
    data = other.read_bytes()
    start = data.index(b"\x28\x00\x02\x00US")
    other.write_bytes(data[:start])
    for path in (tmp_path, paths[0]):
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.array, chest())
        assert volume.notes == ()
    refuse(other, "not an image|an index")
    for path in paths:
        path.unlink()
    refuse(tmp_path, "no images among its DICOM files")


def test_a_dose_image_beside_the_series_is_left_out_and_told(tmp_path):
    write_series(tmp_path, chest())
    frames = {"frames": 5, "modality": "RTDOSE", "series": "9.9", "description": "DOSE"}
    write_slice(tmp_path / "dose.dcm", chest(5), (0, 0, 0), sop_class="1.2.840.10008.5.1.4.1.1.481.2", **frames)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, chest())
    assert "1 files of other kinds in the folder were left out (DOSE)" in volume.notes[0]


@pytest.mark.parametrize("description", [None, "", "OTHER"])
def test_a_series_is_one_whatever_its_files_call_it(tmp_path, description):
    paths = write_series(tmp_path, chest())
    write_slice(paths[2], chest()[2] + 1024, (-30.0, -40.0, 105.0), description=description)
    np.testing.assert_array_equal(read_volume(tmp_path).array, chest())


@pytest.mark.parametrize("kept", [0, 1, 48, 94])
def test_pixels_that_end_early_are_refused(tmp_path, kept):
    paths = write_series(tmp_path, chest())
    write_slice(paths[1], chest()[1], (-30.0, -40.0, 102.5), pixels=kept)
    refuse(tmp_path, rf"{paths[1].name}: its pixel data hold \d+ bytes.*7fe0,0010")


@pytest.mark.parametrize("cut", [30, 96, 130])
def test_a_file_that_ends_early_is_refused(tmp_path, cut):
    paths = write_series(tmp_path, chest())
    paths[0].write_bytes(paths[0].read_bytes()[:-cut])
    for path in (tmp_path, paths[3]):
        refuse(path, rf"{paths[0].name}: .*(end|missing)")


def test_a_slice_without_the_preamble_is_a_slice(tmp_path):
    """It used to vanish without a word at the end of a stack."""
    paths = write_series(tmp_path, chest())
    for path in (paths[-1], paths[0]):
        path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_volume(tmp_path).array, chest())
    np.testing.assert_array_equal(read_volume(paths[0]).array, chest())
    # And one without the group of the file itself.
    data = paths[-1].read_bytes()
    paths[-1].write_bytes(data[data.index(b"\x08\x00\x16\x00UI") :])
    np.testing.assert_array_equal(read_volume(tmp_path).array, chest())


@pytest.mark.parametrize("decimals", [1, 2])
def test_thin_slices_with_rounded_positions_are_even(tmp_path, decimals):
    hu = chest(17)
    for k, frame in enumerate(hu):
        write_slice(tmp_path / f"{k:02d}.dcm", frame + 1024, (0.0, 0.0, round(-41.3 + 0.625 * k, decimals)))
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, hu)
    assert volume.spacing[2] == pytest.approx(0.625, abs=0.1 / 16)
    (tmp_path / "08.dcm").unlink()
    refuse(tmp_path, "1 missing between 07.dcm")


def test_slices_that_drift_apart_are_not_even(tmp_path):
    """Every gap is within a tenth of the others, the place on the whole is not."""
    hu, place = chest(40), 0.0
    for k, frame in enumerate(hu):
        write_slice(tmp_path / f"{k:02d}.dcm", frame + 1024, (0.0, 0.0, round(place, 4)))
        place += 1.0 if k < 20 else 1.09
    refuse(tmp_path, "not evenly spaced")


def nested(depth: int, undefined: bool) -> tuple[tuple[int, int], bytes]:
    if undefined:
        inner = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * depth
        inner += b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth
        return (8, 0x1140), inner
    inner = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
        inner = b"\x08\x00\x40\x11SQ\0\0" + len(item).to_bytes(4, "little") + item
    return (8, 0x1140), inner


@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_nested_without_end_do_not_end_the_process(tmp_path, undefined):
    paths = write_series(tmp_path, chest(3), extra=[nested(5, undefined)])
    np.testing.assert_array_equal(read_volume(tmp_path).array, chest(3))
    # For a decoder of compressed pixels every level counts, here those that are open-ended.
    compressed = {"syntax": "1.2.840.10008.1.2.4.90"} if not undefined else {}
    write_slice(paths[1], chest(3)[1], (-30.0, -40.0, 102.5), extra=[nested(12_000, undefined)], **compressed)
    refuse(tmp_path, f"{paths[1].name}: cannot be read: its sequences are nested more than 64 deep")


def test_projections_are_known_by_their_private_tags(tmp_path):
    """A scanner's raw data whose class says CT image."""
    extra = [element(0x7031, 0x1003, "FL", np.float32(595).tobytes())]
    write_slice(tmp_path / "a.dcm", chest(1)[0], (0, 0, 0), extra=extra)
    refuse(tmp_path, "a.dcm: raw projection data .DICOM-CT-PD.")


def test_a_volume_may_lie_where_the_user_links_it(tmp_path):
    write_series(tmp_path / "store", chest())
    (tmp_path / "study").symlink_to(tmp_path / "store")
    np.testing.assert_array_equal(read_volume(tmp_path / "study").array, chest())
