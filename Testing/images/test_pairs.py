"""NIfTI pairs, and the index that DICOM media bring along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ctdiffusion.images.volume import read_volume
from dicom_files import write_slice


@pytest.mark.parametrize("voxels", [".img", ".img.gz"])
def test_a_pair_is_read_by_either_of_its_files(tmp_path: Path, voxels: str) -> None:
    values = np.random.default_rng(0).uniform(-1000, 1000, (3, 8, 9)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / f"pair{voxels}"))
    assert sorted(p.name for p in tmp_path.iterdir()) in (["pair.hdr", "pair.img"], ["pair.hdr.gz", "pair.img.gz"])
    assert np.array_equal(read_volume(tmp_path / f"pair{voxels}").array, values)
    if voxels == ".img":
        assert np.array_equal(read_volume(tmp_path / "pair.hdr").array, values)
        (tmp_path / "pair.img").unlink()
        with pytest.raises(ValueError, match=r"pair\.hdr: its data file pair\.img is missing"):
            read_volume(tmp_path / "pair.hdr")


def test_a_dicomdir_is_no_image(tmp_path: Path) -> None:
    for k in range(3):
        write_slice(tmp_path / f"{k}.dcm", np.zeros((6, 5), np.int16), (0.0, 0.0, 2.0 * k))
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "0.dcm").read_bytes())
    with pytest.raises(ValueError, match="DICOMDIR: an index of DICOM files"):
        read_volume(tmp_path / "DICOMDIR")
    assert read_volume(tmp_path).array.shape == (3, 6, 5)
