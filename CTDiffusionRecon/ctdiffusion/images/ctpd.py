"""DICOM files that hold a scanner's projections (DICOM-CT-PD), recognised by their private groups.

Their storage class does not tell: archives list them as CT Image Storage, and a projection looks like a slice then.
Chen et al. 2015, doi:10.1118/1.4935406; tags: Moen et al. 2021, doi:10.1002/mp.14594, table IV.
"""

from __future__ import annotations

from pathlib import Path

from .dicomfile import DataSet, read_tags

# Detector, source and scan of a projection; private groups that images do not have.
PRIVATE_GROUPS = (0x7029, 0x7031, 0x7033)
# What a geometry needs of a file.
NEEDED = {
    0x70311003: "(7031,1003) source to isocentre",
    0x70311031: "(7031,1031) source to detector",
    0x70311001: "(7031,1001) view angle",
    0x70311033: "(7031,1033) central detector element",
    0x70291002: "(7029,1002) column spacing",
    0x70291006: "(7029,1006) row spacing",
    0x7029100B: "(7029,100B) detector shape",
    0x7033100E: "(7033,100E) flying focal spot mode",
}
# Raw Data Storage, the class that some writers give these files.
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"


def is_projection(found: DataSet) -> bool:
    """True for a DICOM file that holds a projection, by the tags outside of its sequences and before its pixels."""
    return found.storage_class == RAW_DATA or bool(_private_groups(found))


def projections_refusal(path: Path) -> str:
    """Why a DICOM file cannot be read as projections, with the tags that a geometry file has to be filled from.

    Raises:
        OSError: it cannot be read.
    """
    found = read_tags(path)
    if not is_projection(found):
        return f"{path.name}: a DICOM image, not projections; without --measured it is read as a volume"
    groups = _private_groups(found)
    seen = f" by its private groups {', '.join(f'{g:04X}' for g in groups)}" if groups else ""
    lacking = [name for tag, name in NEEDED.items() if tag not in found.values]
    missing = f"; missing here: {', '.join(lacking)}" if lacking else ""
    return (
        f"{path.name}: raw projection data (DICOM-CT-PD{seen}) are not read; convert them to NPZ or HDF5 with a "
        f"geometry file made from {', '.join(NEEDED.values())}{missing}"
    )


def _private_groups(found: DataSet) -> list[int]:
    return sorted({tag >> 16 for tag in found.values} & set(PRIVATE_GROUPS))
