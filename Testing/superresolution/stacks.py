"""Small volumes with structure along z, MR or CT, oblique, with unequal voxel sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctdiffusion.core.monitor import Monitor
from ctdiffusion.core.noise import NoiseSource
from ctdiffusion.images.volume import Volume, write_volume
from ctdiffusion.jobs.folder import JobFolder
from ctdiffusion.jobs.superresolution_spec import SuperResolutionSpec
from ctdiffusion.operators.slice_average import Profile, SliceAverage
from ctdiffusion.superresolution.stack import ThickStack

# A rotation about two axes, in whole multiples of 1/25 so that it stays exact.
OBLIQUE = (0.6, -0.64, 0.48, 0.8, 0.48, -0.36, 0.0, 0.6, 0.8)


def head(slices: int = 12, rows: int = 16, columns: int = 14, modality: str = "MR") -> Volume:
    """An ellipsoid with a ball in it, intensities 0 to 800 for MR, HU for CT."""
    z, y, x = np.mgrid[:slices, :rows, :columns].astype(np.float32)
    size = (slices, rows, columns)
    centre = [(n - 1) / 2 for n in size]
    radius = sum(((a - c) / (0.55 * n)) ** 2 for a, c, n in zip((z, y, x), centre, size, strict=True))
    value = np.where(radius < 1, 500 + 40 * np.sin(z), 0.0)
    value[np.hypot(np.hypot(z - centre[0], y - centre[1] - 2), x - centre[2]) < 2.5] = 800
    if modality == "CT":
        value = np.where(radius < 1, value - 450, -1000.0)
    return Volume(value.astype(np.float32), (1.1, 0.9, 1.0), (5.0, -7.0, 11.0), OBLIQUE)


def stack(
    prior: Any,
    thick: int = 3,
    factor: int = 4,
    profile: Profile | None = None,
    monitor: Monitor | None = None,
    seed: int = 5,
    size: tuple[int, int] = (10, 12),
) -> ThickStack:
    """Random thick slices in the working range."""
    y = 0.3 + 0.1 * torch.randn((thick, *size), generator=torch.Generator().manual_seed(1))
    operator = SliceAverage(thick * factor, factor, profile)
    return ThickStack(y, operator, (1.0, 1.0, 1.0), 1000.0, NoiseSource(seed), monitor or Monitor(), prior)


def make_job(folder: Path, volume: Volume | None = None, **changes: Any) -> JobFolder:
    """A queued super-resolution job, linear unless told otherwise."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / "input.nrrd"
    write_volume(volume or head(), path)
    job = JobFolder(folder)
    job.create(SuperResolutionSpec(**{"input": str(path), "method": "linear", "factor": 3, **changes}))
    return job
