"""DICOM series: the straight ones come in whole, the others are refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from ctdiffusion.images.volume import read_volume
from dicom_files import write_series, write_slice


def chest(slices: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, (slices, 6, 8)).astype(np.int16)


def refuse(path, pattern):
    with pytest.raises(ValueError, match=pattern) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


def test_a_series_is_sorted_by_position_and_rescaled(tmp_path):
    paths = write_series(tmp_path / "series", chest(), spacing=2.5)
    (tmp_path / "series" / "notes.txt").write_text("not DICOM")
    volume = read_volume(tmp_path / "series")
    np.testing.assert_array_equal(volume.array, chest())
    np.testing.assert_allclose(volume.spacing, (0.7, 0.7, 2.5), atol=1e-6)
    np.testing.assert_allclose(volume.origin, (-30.0, -40.0, 100.0))
    np.testing.assert_array_equal(read_volume(paths[2]).array, chest())


@pytest.mark.parametrize(
    "orientation", [(0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, -1, 0), (0.8, 0.6, 0, 0, 0, -1), (1, 0, 0, 0, -1, 0)]
)
def test_the_direction_follows_the_orientation(tmp_path, orientation):
    normal = np.cross(orientation[:3], orientation[3:])
    for k, frame in enumerate(chest()):
        position = tuple(np.round(3.0 * k * normal, 6))
        write_slice(tmp_path / f"{k}.dcm", frame + 1024, position, orientation=orientation)
    volume = read_volume(tmp_path)
    np.testing.assert_allclose(np.reshape(volume.direction, (3, 3)).T.ravel(), [*orientation, *normal], atol=1e-6)
    np.testing.assert_array_equal(volume.array, chest())
    assert volume.spacing[2] == pytest.approx(3.0)


def test_one_slice_takes_its_thickness(tmp_path):
    write_series(tmp_path, chest(1))
    volume = read_volume(tmp_path)
    assert volume.array.shape == (1, 6, 8) and volume.spacing[2] == 2.5


def test_mixed_series_are_listed_and_one_can_be_chosen(tmp_path):
    first = write_series(tmp_path, chest(), series="1.1", description="LUNG")
    write_series(tmp_path, chest()[:3] // 2, series="1.2", description="BONE")
    refuse(tmp_path, r"2 DICOM series.*LUNG: 5 files.*BONE: 3 files")
    np.testing.assert_array_equal(read_volume(first[0]).array, chest())


def test_a_missing_slice_is_located(tmp_path):
    paths = write_series(tmp_path, chest(6))
    paths[3].unlink()
    refuse(tmp_path, rf"1 missing between {paths[2].name} at 105 mm and {paths[4].name} at 110 mm")


def test_two_slices_at_one_place_are_named(tmp_path):
    paths = write_series(tmp_path, chest())
    write_slice(tmp_path / "again.dcm", chest()[0], (-30.0, -40.0, 105.0))
    refuse(tmp_path, rf"{paths[2].name}.*two slices at one position \(105 mm\)|again.dcm.*two slices")


def test_gantry_tilt_is_measured(tmp_path):
    for k, frame in enumerate(chest()):
        write_slice(tmp_path / f"{k}.dcm", frame, (0.0, round(5.0 * k * np.tan(np.radians(12)), 4), 5.0 * k), tilt=12)
    refuse(tmp_path, r"gantry tilt of 12.0 degrees, tag 0018,1120 says 12")


@pytest.mark.parametrize(
    "changes, pattern",
    [
        ({"syntax": "1.2.840.10008.1.2.4.90"}, "decoded: .*JPEG 2000 lossless"),
        ({"syntax": "1.2.840.10008.1.2.4.110"}, "JPEG XL"),
        ({"modality": "MR"}, "modality MR"),
        ({"intercept": None, "slope": None}, "no rescale"),
        ({"frames": 2}, "multi-frame"),
        ({"orientation": None}, "orientation"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.66"}, "DICOM-CT-PD"),
    ],
)
def test_unsuitable_frames_are_refused_by_name(tmp_path, changes, pattern):
    stored = chest(2) if "frames" in changes else chest(1)[0]
    write_slice(tmp_path / "a.dcm", stored + 1024, (0.0, 0.0, 0.0), **changes)
    refuse(tmp_path, rf"a\.dcm: .*{pattern}")


def test_slices_of_different_size_or_pitch_are_refused(tmp_path):
    write_series(tmp_path, chest(3))
    write_slice(tmp_path / "z.dcm", chest(1)[0, :5], (-30.0, -40.0, 107.5))
    refuse(tmp_path, "pixels")
    write_slice(tmp_path / "z.dcm", chest(1)[0], (-30.0, -40.0, 107.5), spacing=(0.8, 0.8))
    refuse(tmp_path, "pixel spacing")


def test_an_empty_folder_is_refused(tmp_path):
    refuse(tmp_path, "no DICOM files")


def test_rounded_directions_are_made_perpendicular(tmp_path):
    """Some writers keep three decimals of the cosines."""
    exact = np.array([np.cos(0.7), np.sin(0.7) * 0.8, np.sin(0.7) * 0.6, 0.0, -0.6, 0.8])
    normal = np.cross(exact[:3], exact[3:])
    for k, frame in enumerate(chest()):
        position = tuple(np.round(3.0 * k * normal, 4))
        write_slice(tmp_path / f"{k}.dcm", frame + 1024, position, orientation=tuple(np.round(exact, 3)))
    volume = read_volume(tmp_path)
    matrix = np.reshape(volume.direction, (3, 3))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix.T[:2].ravel(), exact, atol=2e-3)


def test_a_tag_that_is_no_number_is_passed_over(tmp_path):
    write_series(tmp_path, chest(), tilt="abc", frames="x")
    np.testing.assert_array_equal(read_volume(tmp_path).array, chest())


def test_a_folder_of_series_names_one(tmp_path):
    write_series(tmp_path / "study" / "thorax", chest())
    refuse(tmp_path / "study", "no DICOM files in this folder, but in its subfolder thorax")
