"""Geometry files that others wrote."""

from __future__ import annotations

import pytest
from ctdiffusion.acquisition.measured.adapters import adapted


@pytest.mark.parametrize(
    ("given", "column"), [(296, 296.0), ("630 (array centre)", 630.0), ("1e2", 100.0), ("-3.5", -3.5), (None, None)]
)
def test_the_centre_of_a_synchrotron_scan_is_read_as_it_stands(tmp_path, given, column):
    values = {"name": "scan", "file": "scan.h5", "rotation_center_pixel": given}
    assert adapted(values, tmp_path / "scan.json")["geometry"]["rotation_centre_column"] == column


@pytest.mark.parametrize("given", ["about 512", "", "512px", True])
def test_a_centre_that_is_no_number_is_refused(tmp_path, given):
    values = {"name": "scan", "file": "scan.h5", "rotation_center_pixel": given}
    with pytest.raises(ValueError, match=r"scan\.json\.rotation_center_pixel: must begin with a number"):
        adapted(values, tmp_path / "scan.json")
