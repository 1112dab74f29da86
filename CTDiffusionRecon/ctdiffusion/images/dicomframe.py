"""One slice of a DICOM series as its tags describe it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .dicomfile import DataSet, tag_name
from .dicompixels import Layout, layout


@dataclass(frozen=True)
class Frame:
    """One slice as its tags describe it; lengths in mm, `spacing` (row, column), `size` (columns, rows)."""

    path: Path
    found: DataSet
    series: str
    description: str
    modality: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    decimals: int
    size: tuple[int, int]
    how: Layout
    rescale: tuple[float, float] | None
    tilt: float
    body_part: str

    @property
    def placed(self) -> bool:
        """Whether it says where it lies in the patient."""
        return len(self.position) == 3 and len(self.orientation) == 6


def read_frame(found: DataSet) -> Frame:
    """What the tags of one image say of it.

    Raises:
        ValueError: several frames, colour, no pixels, or a number that is none; names the file and the tag.
    """
    name = found.path.name
    try:
        frames = found.numbers(0x00280008)
    except ValueError:
        frames = ()
    if frames and frames[0] > 1:
        raise ValueError(f"{name}: a multi-frame DICOM file ({frames[0]:.0f} frames); convert it to NRRD")
    how = layout(found)
    try:
        tilt = found.numbers(0x00181120)
    except ValueError:
        tilt = ()
    position = found.numbers(0x00200032)
    return Frame(
        path=found.path,
        found=found,
        series=found.text(0x0020000E),
        description=described(found),
        modality=found.text(0x00080060)[:16],
        position=position,
        orientation=found.numbers(0x00200037),
        spacing=found.numbers(0x00280030),
        decimals=_decimals(found.text(0x00200032)),
        size=(how.columns, how.rows),
        how=how,
        rescale=_rescale(found),
        tilt=tilt[0] if tilt else 0.0,
        body_part=found.text(0x00180015),
    )


def _decimals(text: str) -> int:
    """Most decimals that a list of numbers is written with."""
    return max((len(part.partition(".")[2]) if "e" not in part.lower() else 9) for part in text.split("\\"))


def _rescale(found: DataSet) -> tuple[float, float] | None:
    """Slope and intercept, or None where neither stands there.

    Raises:
        ValueError: a slope of zero, or one without the other.
    """
    slope, intercept = found.numbers(0x00281053), found.numbers(0x00281052)
    if not slope and not intercept:
        return None
    for values, tag in ((slope, 0x00281053), (intercept, 0x00281052)):
        if len(values) != 1:
            raise ValueError(f"{found.path.name}: no rescale to HU: one number is needed in {tag_name(tag)}")
    if slope[0] == 0.0:
        raise ValueError(f"{found.path.name}: a rescale slope of 0 ({tag_name(0x00281053)})")
    return slope[0], intercept[0]


def described(found: DataSet) -> str:
    """What a file calls its series, or its modality."""
    return found.text(0x0008103E)[:64] or found.text(0x00080060)[:16]
