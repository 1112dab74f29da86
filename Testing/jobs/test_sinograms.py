"""Projections and residual that a job keeps on request."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from ctdiffusion.core.units import AttenuationScale
from ctdiffusion.jobs.sinograms import sinogram_volumes
from ctdiffusion.jobs.worker import run_job
from ctdiffusion.operators.factory import make_operator
from ctdiffusion.scan.beams import equispaced
from ctdiffusion.scan.machines import default_geometry
from ctdiffusion.scan.projections import Projections
from job_helpers import make_job, phantom


def _read(path):
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), image.GetSpacing(), image.GetOrigin()


@pytest.mark.parametrize(("geometry", "axes"), [("fan", (4, 20)), ("cone", (20,))])
def test_residual_is_the_misfit(tmp_path, geometry, axes):
    job = make_job(tmp_path / "job", geometry=geometry, keep_projections=True)
    status = run_job(job.path)
    assert status.state == "done", status.error
    y, spacing, origin = _read(job.result / "projections.nrrd")
    residual, *place = _read(job.result / "residual.nrrd")
    assert y.shape[: len(axes)] == axes and y.shape == residual.shape
    assert place == [spacing, origin]
    assert np.linalg.norm(residual) / np.linalg.norm(y) == pytest.approx(status.misfit["relative"], rel=1e-4)
    # 20 views over a full turn; the detector is centred.
    views = 2 if geometry == "cone" else 1
    assert spacing[views] == pytest.approx(18.0)
    assert origin[0] == pytest.approx(-0.5 * (y.shape[2] - 1) * spacing[0])
    geometry_record = json.loads(job.provenance.read_text())["geometry"]
    assert spacing[0] == pytest.approx(geometry_record["column_spacing"])


def test_nothing_is_kept_unasked(tmp_path):
    job = make_job(tmp_path / "job")
    assert run_job(job.path).state == "done"
    assert [path.name for path in job.result.iterdir()] == ["reconstruction.nrrd"]


def test_dead_pixels_are_not_held_against_the_result():
    volume = phantom(2)
    geometry = default_geometry("parallel", equispaced(12, math.pi), volume.grid)
    operator = make_operator(geometry, volume.grid)
    y = operator.forward(AttenuationScale().to_mu(torch.from_numpy(volume.array)))
    variance = torch.full_like(y, 0.01)
    y[0, 3, 5], variance[0, 3, 5] = 100.0, math.inf
    found = sinogram_volumes(Projections(y, geometry, variance), operator, volume)
    assert found["projections.nrrd"].array[0, 3, 5] == 100.0
    assert np.abs(found["residual.nrrd"].array).max() < 1e-4
