"""Small random volumes on disk, for tests of what training reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_volume(path: Path, seed: int, shape: tuple[int, int, int] = (5, 40, 36)) -> None:
    """Write random HU on pixels of 1.2 mm."""
    array = np.random.default_rng(seed).integers(-1024, 1500, shape).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.2, 1.2, 2.5))
    sitk.WriteImage(image, str(path))
