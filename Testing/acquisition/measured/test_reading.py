"""Geometry files and the data beside them: read strictly, refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import SimpleITK
import torch
from ctdiffusion.acquisition.measured.read import read_projections
from ctdiffusion.scan.beams import ConeBeam, FanBeam, ParallelBeam
from dicom_files import write_slice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VIEWS, COLUMNS = 12, 20


def sinogram(*lead: int) -> np.ndarray:
    """Line integrals of a water disc, every view another noise."""
    s = np.arange(COLUMNS) - (COLUMNS - 1) / 2
    chord = 0.04 * np.sqrt(np.maximum(8.0**2 - s**2, 0.0))
    noise = np.random.default_rng(0).normal(0, 1e-3, (*lead, VIEWS, COLUMNS))
    return (chord + noise).astype(np.float32)


def write(folder: Path, data: np.ndarray | None = None, /, **changes: Any) -> Path:
    """A scan that is right but for `changes`; a dotted name changes a field inside, None removes one."""
    np.savez(folder / "scan.npz", sinogram=sinogram() if data is None else data, angles=np.arange(VIEWS) * 30.0)
    values: dict[str, Any] = {
        "format": "ctdiffusion-projections", "version": 1, "file": "scan.npz", "data": "sinogram",
        "axes": ["view", "column"], "values": "line-integrals", "angles": {"array": "angles", "unit": "deg"},
        "geometry": {
            "kind": "fan", "source_to_isocentre_mm": 100.0, "source_to_detector_mm": 200.0, "column_spacing_mm": 2.0
        },
    }  # fmt: skip
    for name, value in changes.items():
        *inside, last = name.split("__")
        place = values
        for part in inside:
            place = place[part]
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    path = folder / "scan.json"
    path.write_text(json.dumps(values))
    return path


def refuse(path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern) as caught:
        read_projections(path)
    assert "\n" not in str(caught.value)


def test_a_fan_scan_is_read_whole(tmp_path):
    scan = read_projections(write(tmp_path, geometry__column_offset_mm=1.5, mu_water_per_mm=0.02))
    assert scan.projections.geometry == FanBeam(
        tuple(np.radians(np.arange(VIEWS) * 30.0).tolist()), 100.0, 200.0, COLUMNS, 2.0, 1.5
    )
    torch.testing.assert_close(scan.projections.data, torch.from_numpy(sinogram()[None]))
    assert scan.projections.variance is None and not scan.projections.simulated
    assert scan.projections.scale.mu_water == 0.02
    assert scan.grid.spacing == (1.0, 1.0, 1.0) and scan.name == "scan" and scan.warnings == ()
    assert read_projections(tmp_path / "scan.npz").projections.geometry == scan.projections.geometry


@pytest.mark.parametrize(
    "axes, kind", [(["slice", "view", "column"], "parallel"), (["column", "view", "slice"], "fan-curved")]
)
def test_stacks_in_any_order_of_axes(tmp_path, axes, kind):
    data = sinogram(3)
    stored = data if axes[0] == "slice" else data.transpose(2, 1, 0)
    changes = {"geometry__kind": kind, "axes": axes}
    if kind == "parallel":
        changes |= {"geometry__source_to_isocentre_mm": None, "geometry__source_to_detector_mm": None}
    scan = read_projections(write(tmp_path, stored, **changes))
    torch.testing.assert_close(scan.projections.data, torch.from_numpy(data))
    assert scan.grid.shape[0] == 3
    assert isinstance(scan.projections.geometry, ParallelBeam if kind == "parallel" else FanBeam)


def test_a_cone_scan_with_reversed_rows_and_columns(tmp_path):
    data = sinogram(5).transpose(1, 0, 2)
    scan = read_projections(
        write(
            tmp_path, np.ascontiguousarray(data[:, ::-1, ::-1]), axes=["view", "row", "column"],
            geometry__kind="cone", geometry__row_spacing_mm=3.0, geometry__reversed_rows=True,
            geometry__reversed_columns=True, geometry__column_offset_mm=1.0, geometry__row_offset_mm=2.0,
        )
    )  # fmt: skip
    beam = scan.projections.geometry
    assert isinstance(beam, ConeBeam)
    assert (beam.rows, beam.row_spacing, beam.row_offset, beam.column_offset) == (5, 3.0, -2.0, -1.0)
    torch.testing.assert_close(scan.projections.data, torch.from_numpy(np.ascontiguousarray(data)))
    assert scan.grid.shape[0] == 5 and scan.grid.spacing[0] == 1.5


def test_an_nrrd_holds_one_array(tmp_path):
    path = write(tmp_path, file="scan.nrrd")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(sinogram()), str(tmp_path / "scan.nrrd"))
    refuse(path, "angles")
    path = write(tmp_path, file="scan.nrrd", angles={"step": 30, "count": VIEWS, "unit": "deg"})
    torch.testing.assert_close(read_projections(path).projections.data, torch.from_numpy(sinogram()[None]))


def test_the_rotation_centre_is_a_column_counted_from_zero(tmp_path):
    for reverse, sign in ((False, 1), (True, -1)):
        path = write(tmp_path, geometry__rotation_centre_column=7.0, geometry__reversed_columns=reverse)
        beam = read_projections(path).projections.geometry
        column = COLUMNS - 1 - 7 if reverse else 7
        assert beam.column_positions()[column] == pytest.approx(0.0)
        assert beam.column_offset == pytest.approx(sign * 2.5 * 2.0)


@pytest.mark.parametrize(
    "changes, pattern",
    [
        ({"colour": "red"}, r"scan\.json\.colour: unknown field"),
        ({"geometry__tilt": 3}, r"scan\.json\.geometry\.tilt: unknown field"),
        ({"data": None}, r"scan\.json\.data: missing"),
        ({"version": 2}, r"version"),
        ({"format": "other"}, r"format"),
        ({"values": "log"}, r"values: must be one of line-integrals"),
        ({"scale": "big"}, r"scale: must be a finite number"),
        ({"axes": ["view"]}, r"axes"),
        ({"axes": ["view", "view"]}, r"axes"),
        ({"axes": ["row", "view", "column"]}, r"axes: a fan beam has one detector row"),
        ({"geometry__kind": "helix"}, r"geometry\.kind"),
        ({"geometry__source_to_isocentre_mm": -5}, r"source_to_isocentre_mm: must be a positive"),
        ({"geometry__source_to_detector_mm": None}, r"source_to_detector_mm: missing"),
        ({"geometry__source_to_detector_mm": 50.0}, r"magnification below 1"),
        ({"geometry__column_offset_mm": 1.0, "geometry__rotation_centre_column": 3}, r"not both"),
        ({"angles": {"array": "angles", "values": [1.0], "unit": "deg"}}, r"angles: give one of"),
        ({"angles": {"array": "angles", "unit": "turns"}}, r"angles\.unit"),
        ({"angles": {"array": "angles", "unit": "deg", "sense": 2}}, r"angles\.sense"),
        ({"angles": {"array": "angles", "unit": "rad"}}, r"are they degrees\?"),
        ({"angles": {"step": 30, "count": 1e12, "unit": "deg"}}, r"angles\.count: must be a whole number"),
        ({"angles": {"step": 30, "count": 12.7, "unit": "deg"}}, r"angles\.count: must be a whole number"),
        ({"scale": 10**401}, r"scale: must be a finite number"),
        ({"scale": 0}, r"scale: must not be 0"),
        ({"geometry__rotation_centre_column": 40.0}, r"geometry: the rotation axis is not on the detector"),
        (
            {"geometry__rotation_centre_column": 4e5, "grid_shape": [1, 20, 20]},
            r"geometry: the detector .* off the axis",
        ),
        ({"geometry__column_offset_mm": 1e9}, r"column_offset_mm: must be from -1e\+07 to 1e\+07"),
        ({"geometry__column_offset_mm": -1e5, "grid_shape": [1, 20, 20]}, r"geometry: the detector is 40 mm wide"),
        ({"geometry__column_spacing_mm": 1e-300}, r"geometry\.column_spacing_mm: must be from 1e-07 to 1000"),
        ({"geometry__column_spacing_mm": 1e12}, r"geometry\.column_spacing_mm: must be from 1e-07 to 1000"),
        ({"geometry__source_to_detector_mm": 1e300}, r"source_to_detector_mm: must be from 1e-07 to 1e\+07"),
        ({"grid_spacing_mm": [1e-300, 1, 1]}, r"grid_spacing_mm: must be from 1e-07"),
        ({"mu_water_per_mm": 1e-300}, r"mu_water_per_mm: must be from 1e-07"),
        ({"angles": {"values": [], "unit": "deg"}}, r"12 views .* for 0 angles"),
        ({"angles": {"values": [0, 1, 2], "unit": "deg"}}, r"holds 12 views .* for 3 angles"),
        ({"data": "nothing"}, r"scan\.npz:nothing: not in the file, which holds angles, sinogram"),
        ({"file": "../scan.npz"}, r"outside"),
        ({"file": "/etc/passwd"}, r"outside"),
        ({"file": "other.npz"}, r"missing"),
        ({"grid_shape": [1, 0, 5]}, r"grid_shape"),
        ({"grid_spacing_mm": [1, 1]}, r"grid_spacing_mm"),
        ({"flat": 1.0}, r"belong to values = counts"),
        ({"values": "counts"}, r"flat: missing"),
        ({"values": "counts", "flat": 1e5, "photons": 1e5}, r"photons_per_count"),
        ({"mu_water_per_mm": 0}, r"mu_water_per_mm"),
    ],
)
def test_wrong_geometry_files_are_refused_by_field(tmp_path, changes, pattern):
    refuse(write(tmp_path, **changes), pattern)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        ["file", "data", "axes", "values", "angles", "geometry", "scale", "flat", "grid_shape", "name"]
    ),
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_nothing_in_a_geometry_file_escapes_as_another_error(tmp_path, name, value):
    path = write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    try:
        read_projections(path)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"format": NaN}', "[" * 100_000, '{"a": 1}'])
def test_what_is_no_geometry_file_is_refused(tmp_path, text):
    (tmp_path / "scan.json").write_text(text)
    refuse(tmp_path / "scan.json", r"scan\.json")


def test_transposed_axes_are_diagnosed(tmp_path):
    path = write(tmp_path, np.ascontiguousarray(sinogram().T))
    refuse(path, r"20 views of axes view, column = \(20, 12\), for 12 angles: axis 1 .* transposed\?")


def test_repeated_views_and_turns_are_normalised(tmp_path):
    angles = [0.0, 90.0, 180.0, 270.0, 360.0, 450.0, 10.0, 100.0, 190.0, 280.0, -10.0, 20.0]
    scan = read_projections(write(tmp_path, angles={"values": angles, "unit": "deg"}))
    assert scan.projections.geometry.views == 10
    torch.testing.assert_close(scan.projections.data[0, 4], torch.from_numpy(sinogram()[6]))
    assert any("more than one turn" in w for w in scan.warnings) and any("2 views repeat" in w for w in scan.warnings)


def test_sense_and_start_of_rotation(tmp_path):
    path = write(tmp_path, angles={"array": "angles", "unit": "deg", "sense": -1, "start": 180.0})
    degrees = np.degrees(read_projections(path).projections.geometry.angles)
    np.testing.assert_allclose(np.cos(np.radians(degrees - (180.0 - np.arange(VIEWS) * 30.0))), 1.0)


def test_radians_given_as_degrees_are_suspected(tmp_path):
    data = np.tile(sinogram(), (2, 1))
    angles = {"values": np.linspace(0, 6.2, 24).tolist(), "unit": "deg"}
    assert any("in radians?" in w for w in read_projections(write(tmp_path, data, angles=angles)).warnings)


@pytest.mark.parametrize(
    "data, pattern",
    [
        (np.exp(-8 * sinogram()), "transmission, not line integrals"),
        (30000 * np.exp(-sinogram()), "counts"),
        (1000 * sinogram(), "scale"),
        (np.where(sinogram() > 0.1, np.nan, sinogram()), "not finite"),
        (sinogram().astype(complex), "numbers"),
        (np.array(["a"]), "numbers"),
        (np.array([{}], dtype=object), "numbers|allow_pickle"),
    ],
)
def test_what_is_no_line_integral_is_recognised(tmp_path, data, pattern):
    refuse(write(tmp_path, data), pattern)


def test_transmission_and_scaled_logarithms(tmp_path):
    scan = read_projections(write(tmp_path, np.exp(-sinogram()), values="transmission", photons=1e4))
    torch.testing.assert_close(scan.projections.data[0], torch.from_numpy(sinogram()), atol=1e-5, rtol=0)
    torch.testing.assert_close(scan.projections.variance, scan.projections.data.exp() / 1e4)
    scan = read_projections(write(tmp_path, 1000 * sinogram(), scale=0.001))
    torch.testing.assert_close(scan.projections.data[0], torch.from_numpy(sinogram()))


def test_single_readings_that_are_missing_are_bridged(tmp_path):
    data = sinogram()
    data[3, 5] = np.nan
    scan = read_projections(write(tmp_path, data, photons=1e5))
    assert scan.projections.data[0, 3, 5] == pytest.approx((data[3, 4] + data[3, 6]) / 2)
    assert scan.projections.variance[0, 3, 5] == torch.inf and "1 readings" in " ".join(scan.warnings)


def test_truncation_is_told(tmp_path):
    scan = read_projections(write(tmp_path, grid_shape=[1, 64, 64], grid_spacing_mm=[1.0, 1.0, 1.0]))
    assert any("truncation" in w for w in scan.warnings)


def test_a_half_fan_offset_is_no_truncation_over_a_full_turn(tmp_path):
    path = write(tmp_path, geometry__column_offset_mm=12.0, grid_shape=[1, 28, 28], grid_spacing_mm=[1.0, 1.0, 1.0])
    scan = read_projections(path)
    assert not any("truncation" in w for w in scan.warnings)


def test_the_default_grid_holds_what_a_half_fan_scan_sees_in_a_full_turn(tmp_path):
    scan = read_projections(write(tmp_path, geometry__column_offset_mm=12.0))
    plain = read_projections(write(tmp_path))
    # 20 columns of 2 mm at magnification 2: a radius of about 10 mm, and 12 / 2 mm more on either side.
    assert plain.grid.shape[1] * plain.grid.spacing[1] == pytest.approx(20.0, abs=1.0)
    assert scan.grid.shape[1] * scan.grid.spacing[1] == pytest.approx(32.0, abs=1.2)
    assert not any("truncation" in w for w in scan.warnings)


def exchange(path: Path, **arrays: Any) -> Path:
    counts = 1000 * np.exp(-sinogram()[:, None]) + 100
    values: dict[str, Any] = {
        "data": counts, "data_white": np.full((3, 1, COLUMNS), 1100.0), "data_dark": np.full((2, 1, COLUMNS), 100.0),
        "theta": np.arange(VIEWS) * 15.0,
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, value in (values | arrays).items():
            if value is not None:
                file[f"exchange/{name}"] = value
    return path


def test_a_data_exchange_file_needs_no_geometry_file(tmp_path):
    scan = read_projections(exchange(tmp_path / "a.h5"))
    assert isinstance(scan.projections.geometry, ParallelBeam)
    torch.testing.assert_close(scan.projections.data[0], torch.from_numpy(sinogram()), atol=1e-4, rtol=0)
    assert any("pixel size is not recorded" in w for w in scan.warnings)


@pytest.mark.parametrize("name", ["data", "data_white", "data_dark", "theta"])
def test_what_a_data_exchange_file_lacks_is_named(tmp_path, name):
    refuse(exchange(tmp_path / "a.h5", **{name: None}), f"/exchange/{name}: not in the file")


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path):
    exchange(tmp_path / "other.h5")
    for link, pattern in (
        (h5py.ExternalLink("other.h5", "/exchange/data"), "another file"),
        (h5py.ExternalLink("/etc/passwd", "/"), "another file"),
        (h5py.SoftLink("/exchange/outside"), "another file"),
        (h5py.SoftLink("/exchange/data"), "circles"),
        (h5py.SoftLink("/nowhere"), "not in the file"),
        (h5py.SoftLink("../../data"), "not in the file"),
    ):
        path = exchange(tmp_path / "a.h5", data=None)
        with h5py.File(path, "a") as file:
            file["exchange/outside"] = h5py.ExternalLink("other.h5", "/exchange/data")
            file["exchange/data"] = link
        refuse(path, pattern)


def test_a_link_within_the_file_is_followed(tmp_path):
    path = exchange(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file.move("exchange/data", "raw")
        file["exchange/data"] = h5py.SoftLink("/raw")
    assert read_projections(path).projections.data.shape == (1, VIEWS, COLUMNS)


def test_values_outside_the_hdf5_file_are_not_read(tmp_path):
    path = exchange(tmp_path / "a.h5", data=None)
    (tmp_path / "raw").write_bytes(bytes(8 * VIEWS * COLUMNS))
    with h5py.File(path, "a") as file:
        file.create_dataset("exchange/data", (VIEWS, 1, COLUMNS), "f8", external=[("raw", 0, h5py.h5f.UNLIMITED)])
    refuse(path, "other files")
    layout = h5py.VirtualLayout((VIEWS, 1, COLUMNS), "f8")
    layout[...] = h5py.VirtualSource(str(exchange(tmp_path / "b.h5")), "exchange/data", (VIEWS, 1, COLUMNS))
    path = exchange(tmp_path / "c.h5", data=None)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("exchange/data", layout)
    refuse(path, "other files")


def test_an_empty_dataset_and_an_encrypted_archive_are_refused(tmp_path, monkeypatch):
    path = exchange(tmp_path / "scan.h5", data=None)
    with h5py.File(path, "a") as file:
        file["exchange/data"] = h5py.Empty("f")
    refuse(path, r"scan\.h5:/?exchange/data: an empty dataset")
    path = write(tmp_path)

    def encrypted(*unused: Any, **options: Any) -> None:
        raise RuntimeError("File 'sinogram.npy' is encrypted, password required for extraction")

    monkeypatch.setattr("zipfile.ZipFile.open", encrypted)
    refuse(path, r"scan\.npz:\w+: cannot be read: .*encrypted")


def test_a_huge_declared_array_is_refused_before_it_is_read(tmp_path):
    for shape in ((10**6, 10**4, 10**4), (4000, 300, 100)):
        path = exchange(tmp_path / "a.h5", data=None)
        with h5py.File(path, "a") as file:
            file.create_dataset("exchange/data", shape, "f4", chunks=(1, 100, 100))
        refuse(path, "GB of memory|corrupt")


@pytest.mark.parametrize("keep", [0, 4, 100, 2000])
def test_truncated_files_are_refused(tmp_path, keep):
    path = exchange(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:keep])
    refuse(path, "a.h5")
    path = write(tmp_path)
    whole = (tmp_path / "scan.npz").read_bytes()
    (tmp_path / "scan.npz").write_bytes(whole[: min(keep, len(whole) - 40)])
    refuse(path, "scan.npz")


def test_a_damaged_npz_is_refused(tmp_path):
    path = write(tmp_path)
    raw = bytearray((tmp_path / "scan.npz").read_bytes())
    raw[300:340] = bytes(40)
    (tmp_path / "scan.npz").write_bytes(raw)
    refuse(path, "scan.npz")


def test_other_files_say_what_they_need(tmp_path):
    write(tmp_path)
    (tmp_path / "scan.json").unlink()
    refuse(tmp_path / "scan.npz", "needs a geometry file scan.json beside it")
    with pytest.raises(OSError, match="no such file"):
        read_projections(tmp_path / "none.json")
    (tmp_path / "data.csv").write_text("1,2")
    refuse(write(tmp_path, file="data.csv"), "not a file of projections")


def test_dicom_projections_stop_with_the_tags_they_need(tmp_path):
    write_slice(tmp_path / "a.dcm", np.zeros((4, 4), np.int16), (0.0, 0.0, 0.0), sop_class="1.2.840.10008.5.1.4.1.1.66")
    refuse(tmp_path / "a.dcm", r"DICOM-CT-PD.*\(7031,1003\).*missing here:.*\(7033,100E\) flying focal spot")
