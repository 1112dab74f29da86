"""A volume as a DICOM series of CT images: derived, with identifiers of its own and none of a patient's.

DICOM PS3.3, CT Image IOD (A.3); values are HU in 16 bits with slope 1 and intercept 0.
"""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

import numpy as np

from .itk import one_line, toolkit
from .volume import Volume

# The tree of identifiers that are made of random UUIDs (DICOM PS3.5, B.2).
_UUID_ROOT = "2.25"


def write_series(volume: Volume, folder: Path, description: str, derivation: str) -> None:
    """Write one file a slice into an existing, empty folder.

    Args:
        volume: HU.
        folder: where the files go, `0001.dcm` and on.
        description: series description, at most 64 characters are kept.
        derivation: what it was made by (derivation description), at most 1024 characters are kept.

    Raises:
        OSError: it cannot be written.
    """
    itk = toolkit()
    # Two's complement would turn what lies beyond its range into the opposite.
    values = np.clip(np.rint(volume.array), -32768, 32767).astype(np.int16)
    image = itk.GetImageFromArray(values)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    now = time.localtime()
    day, clock = time.strftime("%Y%m%d", now), time.strftime("%H%M%S", now)
    study, series, frame = (_identifier() for _ in range(3))
    x, y, z = (volume.direction[k::3] for k in range(3))
    shared = {
        "0008|0008": "DERIVED\\SECONDARY\\AXIAL",
        "0008|0020": day,
        "0008|0021": day,
        "0008|0030": clock,
        "0008|0031": clock,
        "0008|0060": "CT",
        "0008|103e": description[:64],
        "0008|2111": derivation[:1024],
        "0010|0010": "ANONYMOUS",
        "0010|0020": "ANONYMOUS",
        "0012|0062": "YES",
        "0018|0050": f"{volume.spacing[2]:.6g}",
        "0020|000d": study,
        "0020|000e": series,
        "0020|0011": "1",
        "0020|0037": "\\".join(f"{value:.10g}" for value in (*x, *y)),
        "0020|0052": frame,
        "0028|1052": "0",
        "0028|1053": "1",
        "0028|1054": "HU",
    }
    writer = itk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    try:
        for index in range(values.shape[0]):
            slice_image = image[:, :, index]
            position = [o + index * volume.spacing[2] * d for o, d in zip(volume.origin, z, strict=True)]
            own = {
                "0008|0018": _identifier(),
                "0020|0013": str(index + 1),
                "0020|0032": "\\".join(f"{value:.10g}" for value in position),
            }
            for tag, value in {**shared, **own}.items():
                slice_image.SetMetaData(tag, value)
            writer.SetFileName(str(folder / f"{index + 1:04}.dcm"))
            writer.Execute(slice_image)
    except RuntimeError as error:
        raise OSError(f"{folder}: cannot be written: {one_line(error)}") from None


def _identifier() -> str:
    return f"{_UUID_ROOT}.{uuid4().int}"
