"""What HDF5 arrays say of their own units: honoured, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ctdiffusion.acquisition.measured.read import read_projections

VIEWS, COLUMNS = 12, 40
DEGREES = np.arange(VIEWS) * 15.0
LINE = 0.04 * np.sqrt(np.maximum(16.0**2 - (np.arange(COLUMNS) - 19.5) ** 2, 0.0))
COUNTS = np.round(np.tile(30_000.0 * np.exp(-LINE), (VIEWS, 1, 1))).astype(np.uint16)


def exchange(path: Path, theta: Any = DEGREES, /, **attributes: dict[str, Any]) -> Path:
    """A scan in the data exchange layout; `attributes` are those of its arrays, by name."""
    arrays = {
        "data": COUNTS, "data_white": np.full((3, 1, COLUMNS), 30_000.0), "data_dark": np.zeros((3, 1, COLUMNS)),
        "theta": theta,
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[f"exchange/{name}"] = values
            for key, value in attributes.get(name, {}).items():
                file[f"exchange/{name}"].attrs[key] = value
    return path


def described(path: Path, unit: str) -> Path:
    values = {
        "format": "ctdiffusion-projections", "version": 1, "file": path.name, "data": "/exchange/data",
        "axes": ["view", "slice", "column"], "values": "counts", "flat": "/exchange/data_white",
        "dark": "/exchange/data_dark", "angles": {"array": "/exchange/theta", "unit": unit},
        "geometry": {"kind": "parallel"},
    }  # fmt: skip
    geometry = path.with_suffix(".json")
    geometry.write_text(json.dumps(values))
    return geometry


def degrees(path: Path) -> np.ndarray:
    return np.degrees(read_projections(path).projections.geometry.angles)


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("rad", np.radians(DEGREES)),
        (b"radians", np.radians(DEGREES)),
        (np.array(["Radian"], dtype=h5py.string_dtype()), np.radians(DEGREES)),
        (np.bytes_("mrad"), 1000.0 * np.radians(DEGREES)),
        ("degrees", DEGREES),
        ("Deg", DEGREES),
        ("°", DEGREES),
        ("turns", DEGREES / 360.0),
        ("gon", DEGREES / 0.9),
        ("", DEGREES),
        (h5py.Empty("S1"), DEGREES),
    ],
)
@pytest.mark.parametrize("key", ["units", "unit", "Units"])
def test_angles_have_the_unit_that_their_attribute_gives(tmp_path: Path, unit: Any, values: Any, key: str) -> None:
    path = exchange(tmp_path / "a.h5", values, theta={key: unit})
    np.testing.assert_allclose(degrees(path), DEGREES, atol=1e-9)
    np.testing.assert_allclose(degrees(described(path, "declared")), DEGREES, atol=1e-9)


@pytest.mark.parametrize("unit", ["mm", "furlong", "rad/s", 3, np.array(["rad", "deg"], dtype=h5py.string_dtype())])
def test_what_is_no_unit_of_angle_is_refused_by_name(tmp_path: Path, unit: Any) -> None:
    path = exchange(tmp_path / "a.h5", theta={"units": unit})
    with pytest.raises(ValueError, match=r"a\.h5:/exchange/theta.*(no known unit of angle|no text)"):
        read_projections(path)


def test_a_geometry_file_that_contradicts_the_attribute_is_refused(tmp_path: Path) -> None:
    path = exchange(tmp_path / "a.h5", np.radians(DEGREES), theta={"units": "rad"})
    np.testing.assert_allclose(degrees(described(path, "rad")), DEGREES, atol=1e-9)
    with pytest.raises(ValueError, match=r"theta: its attribute gives the unit 'rad', the geometry file .*unit = deg"):
        read_projections(described(path, "deg"))


def test_scale_and_offset_of_an_array_are_applied(tmp_path: Path) -> None:
    plain = read_projections(exchange(tmp_path / "a.h5")).projections.data
    path = exchange(
        tmp_path / "b.h5", DEGREES / 2.0 - 4.0, theta={"scale_factor": 2.0, "add_offset": 8.0},
        data={"scale_factor": 1.0}, data_dark={"add_offset": 0},
    )  # fmt: skip
    np.testing.assert_allclose(degrees(path), DEGREES, atol=1e-9)
    np.testing.assert_allclose(read_projections(path).projections.data, plain)
    path = exchange(tmp_path / "c.h5", data={"scale_factor": 0.5}, data_white={"scale_factor": np.array([0.5])})
    np.testing.assert_allclose(read_projections(path).projections.data, plain, atol=1e-5)
    with pytest.raises(ValueError, match="scale_factor: an attribute that is no finite number"):
        read_projections(exchange(tmp_path / "d.h5", data={"scale_factor": "twice"}))


def test_counts_have_any_unit_if_it_is_one(tmp_path: Path) -> None:
    for units in (("counts", "ADU", "photons"), ("V", "v", "V"), ("counts", None, "")):
        attributes = {
            name: {} if unit is None else {"units": unit}
            for name, unit in zip(("data", "data_white", "data_dark"), units, strict=True)
        }
        read_projections(exchange(tmp_path / "a.h5", **attributes))
    with pytest.raises(ValueError, match=r"different units.*'v'.*'mv'"):
        read_projections(exchange(tmp_path / "a.h5", data={"units": "V"}, data_white={"units": "mV"}))
    with pytest.raises(ValueError, match=r"exchange/data: its attribute gives the unit 'deg'"):
        read_projections(exchange(tmp_path / "a.h5", data={"units": "deg"}))


def test_units_of_transmission_and_of_line_integrals(tmp_path: Path) -> None:
    geometry = {
        "format": "ctdiffusion-projections", "version": 1, "file": "a.h5", "data": "t", "axes": ["view", "column"],
        "values": "transmission", "angles": {"values": DEGREES.tolist(), "unit": "deg"},
        "geometry": {"kind": "parallel"},
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(geometry))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["t"] = 100.0 * np.tile(np.exp(-LINE), (VIEWS, 1))
        file["t"].attrs["units"] = "%"
    np.testing.assert_allclose(read_projections(tmp_path / "a.json").projections.data[0, 0], LINE, atol=1e-6)
    for unit in ("1/mm", "HU"):
        with h5py.File(tmp_path / "a.h5", "a") as file:
            file["t"].attrs["units"] = unit
        with pytest.raises(ValueError, match=rf"a\.h5:t: its attribute gives the unit '{unit.lower()}'"):
            read_projections(tmp_path / "a.json")


def nxtomo(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry/instrument/detector")
        detector["data"] = np.concatenate([COUNTS, np.full((2, 1, COLUMNS), 30_000, np.uint16)])
        detector["image_key"] = np.r_[np.zeros(VIEWS, np.uint8), [1, 2]]
        file["entry/sample/rotation_angle"] = np.r_[DEGREES, 180.0, 180.0]
    return path


def test_an_nxtomo_is_called_what_it_is(tmp_path: Path) -> None:
    path = nxtomo(tmp_path / "scan.nxs")
    with pytest.raises(ValueError, match=r"scan\.nxs:/exchange/.*NeXus NXtomo: .* image_key. Not read; save them as"):
        read_projections(path)
    geometry = {
        "format": "ctdiffusion-projections", "version": 1, "file": "scan.nxs",
        "data": "/entry/instrument/detector/data", "axes": ["view", "slice", "column"], "values": "counts",
        "flat": 30_000, "angles": {"array": "/entry/sample/rotation_angle", "unit": "deg"},
        "geometry": {"kind": "parallel"},
    }  # fmt: skip
    (tmp_path / "named.json").write_text(json.dumps(geometry))
    with pytest.raises(ValueError, match="an NXtomo stack, some of whose frames are flats, darks or invalid"):
        read_projections(tmp_path / "named.json")


def test_what_another_hdf5_file_holds_is_listed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data"] = COUNTS
        file["entry/round"] = file["entry"]
    with pytest.raises(ValueError, match=r"not in the file, which holds '/entry/data'"):
        read_projections(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for k in range(3000):
            file.create_group(f"{k}/g")
    with pytest.raises(ValueError, match="which holds no arrays"):
        read_projections(tmp_path / "a.h5")
