"""Scan geometries that a physicist would accept without being asked, and the scanners they come from.

Distances are facts of published machines; the detector of `default_geometry` is made to measure, so that its pitch is
one voxel at the isocentre and no ray through the volume, corners included, is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .beams import ConeBeam, FanBeam, Geometry, Grid, ParallelBeam

KINDS = ("parallel", "fan", "fan-curved", "cone")

# With the volume's corners nearer to the source than this share of its distance a fan would open beyond 90 degrees.
LARGEST_FIELD = 0.7


@dataclass(frozen=True)
class Machine:
    """A machine: distances and pitches in mm. `rows` is 0 for a fan beam.

    Attributes:
        title: what a user reads.
        source: where the numbers stand.
        curved: whether the detector is an arc about the source.
    """

    title: str
    source: str
    source_to_isocentre: float
    source_to_detector: float
    columns: int
    column_spacing: float
    curved: bool = False
    rows: int = 0
    row_spacing: float = 0.0

    def geometry(self, angles: Iterable[float]) -> Geometry:
        """This machine, with its own detector, at view angles in radians."""
        if self.rows:
            return ConeBeam(
                tuple(angles), self.source_to_isocentre, self.source_to_detector,
                self.rows, self.columns, self.row_spacing, self.column_spacing,
            )  # fmt: skip
        return FanBeam(
            tuple(angles), self.source_to_isocentre, self.source_to_detector,
            self.columns, self.column_spacing, curved=self.curved,
        )  # fmt: skip


MACHINES: dict[str, Machine] = {
    "diagnostic": Machine(
        "Diagnostic CT, third generation (570 / 1040 mm, 672 channels)",
        "Siemens SOMATOM scanners, DICOM tags 0018,1110 and 0018,1111; 672 channels over a fan of 52.1 degrees",
        570.0, 1040.0, 672, 1.4083, curved=True,
    ),
    "ge-lightspeed": Machine(
        "GE LightSpeed (541 / 949 mm, 888 channels of 1.0239 mm)",
        "Wang et al. 2006, IEEE TMI 25(10):1272, as in the Michigan Image Reconstruction Toolbox (sino_geom ge1)",
        541.0, 949.075, 888, 1.0239, curved=True,
    ),
    "siemens-definition": Machine(
        "Siemens SOMATOM Definition (595 / 1085.6 mm, 736 channels of 1.2858 mm)",
        "LDCT-and-Projection-data, TCIA, doi:10.7937/9npb-2637",
        595.0, 1085.6, 736, 1.2858, curved=True,
    ),
    "cbct-obi": Machine(
        "Varian on-board imager, full fan (1000 / 1500 mm, 397 x 298 mm panel)",
        "Varian PaxScan 4030CB panel, 1024 x 768 binned pixels of 0.388 mm",
        1000.0, 1500.0, 1024, 0.388, rows=768, row_spacing=0.388,
    ),
    "cbct-xvi": Machine(
        "Elekta XVI, small field (1000 / 1536 mm, 410 x 410 mm panel)",
        "PerkinElmer XRD 1640 panel, 512 x 512 binned pixels of 0.8 mm",
        1000.0, 1536.0, 512, 0.8, rows=512, row_spacing=0.8,
    ),
}  # fmt: skip


def default_geometry(kind: str, angles: Iterable[float], grid: Grid) -> Geometry:
    """A scan of `grid` that truncates nothing, one voxel per detector column at the isocentre.

    * parallel: columns of one voxel.
    * fan, fan-curved: 570 mm to the isocentre and 1040 mm to the detector, a third-generation diagnostic scanner
      (`MACHINES["diagnostic"]`); flat detector unless curved.
    * cone: 1000 mm and 1500 mm, an on-board imager (`MACHINES["cbct-obi"]`); flat detector, one slice per row at the
      isocentre, high enough for the volume's end slices.

    The distances grow in proportion where the corners of a very large volume would come too near to the source.

    Args:
        kind: one of `KINDS`.
        angles: view angles in radians.
        grid: what is to be reconstructed.

    Raises:
        ValueError: an unknown kind, or angles that the geometry refuses.
    """
    views = tuple(angles)
    pitch = min(grid.spacing[1:])
    radius = grid.corner_radius
    if kind == "parallel":
        return ParallelBeam(views, _count(2.0 * radius, pitch), pitch)
    if kind not in KINDS:
        raise ValueError(f"geometry: {kind!r} is unknown (known: {', '.join(KINDS)})")
    machine = MACHINES["cbct-obi" if kind == "cone" else "diagnostic"]
    grown = max(1.0, radius / (LARGEST_FIELD * machine.source_to_isocentre))
    to_isocentre, to_detector = grown * machine.source_to_isocentre, grown * machine.source_to_detector
    magnification = to_detector / to_isocentre
    half_fan = math.asin(radius / to_isocentre)
    spacing = pitch * magnification
    if kind == "fan-curved":
        columns = _count(2.0 * to_detector * half_fan, spacing)
        return FanBeam(views, to_isocentre, to_detector, columns, spacing, curved=True)
    columns = _count(2.0 * to_detector * math.tan(half_fan), spacing)
    if kind == "fan":
        return FanBeam(views, to_isocentre, to_detector, columns, spacing)
    half_height = 0.5 * grid.shape[0] * grid.spacing[0] + abs(grid.centre[2])
    row_spacing = grid.spacing[0] * magnification
    # The corner nearest to the source is magnified most.
    rows = _count(2.0 * half_height * to_detector / (to_isocentre - radius), row_spacing)
    return ConeBeam(views, to_isocentre, to_detector, rows, columns, row_spacing, spacing)


def reference_fan(angles: Iterable[float], grid: Grid) -> FanBeam:
    """The fan beam of the CvG-Diff paper in units of the pixel: 1075 to the isocentre, 2150 to the flat detector.

    Its pitch is one pixel at the isocentre. The paper's 672 columns are cut to those that a ray through the volume can
    reach; the others see air. Scaled with the pixel, the streaks of a view count are the same for every volume.

    Raises:
        ValueError: angles that the geometry refuses.

    Source: Chen et al. 2025 (MICCAI), arXiv:2508.10313, released settings.
    """
    pixel = grid.in_plane_spacing
    half_fan = math.asin(min(grid.corner_radius / (1075.0 * pixel), 0.99))
    columns = _count(4300.0 * pixel * math.tan(half_fan), 2.0 * pixel)
    return FanBeam(tuple(angles), 1075.0 * pixel, 2150.0 * pixel, columns, 2.0 * pixel)


def _count(width: float, spacing: float) -> int:
    """Elements that cover `width` with one to spare."""
    return math.ceil(width / spacing - 1e-9) + 1
