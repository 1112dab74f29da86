"""Whether a scan is one that a prior was trained on: what a pack says under `scan`, held against a geometry.

`scan` of a prior that belongs to a geometry: `kinds` (fan, parallel), `views_per_turn` [fewest, most],
`source_to_isocentre_px` [nearest, farthest] in pixels (images) or detector columns at the isocentre (sinograms). `size`
(pixels of an image's side), `columns` (of a sinogram) and `reference` say in addition what was trained on; networks
take other sizes. All were trained on a detector about the axis, one column per pixel, that sees the whole field.
"""

from __future__ import annotations

import math

from ..scan.beams import Geometry, Grid
from .prior import PriorInfo, pixel_warnings

# The limits of the detector come from FBPConvNet on a held-out slice, one property changed at a time.
# Widest column at the isocentre, in pixels, of which nothing is said, and that is taken. At 30 (126) views the error
# grows by 3 % (14 %) at 1.5 pixels, 10 % (89 %) at 2.5, 34 % (179 %) at 4; columns down to a quarter of a pixel cost
# nothing.
WIDE, WIDEST = 1.5, 2.5
# Smallest part of the field of view that every view has to see. At 0.97 the error grew by 64 %.
SEEN = 0.98
# Largest shift of the detector for images, in parts of its width: 3 % cost nothing, 11 % a tenth. A sinogram is shown
# to the network as it is, and mirrored about the axis: none.
SHIFT = 0.02


def check_scan(info: PriorInfo, geometry: Geometry, grid: Grid) -> tuple[int, list[str]]:
    """Views per full turn of a scan that the prior fits, and warnings.

    Args:
        info: the pack's metadata.
        geometry: the scan.
        grid: what is to be reconstructed.

    Raises:
        ValueError: another geometry; the text says all that differs.
    """
    scan = info.scan
    # What the network sees as one step, in mm.
    pitch = geometry.pitch if info.domain == "sinogram" else grid.in_plane_spacing
    differences = []
    kinds = scan.get("kinds", ["fan", "parallel"])
    if not geometry.is_stack or geometry.kind not in kinds:
        differences.append(f"the geometry is {geometry.kind}, not {' or '.join(kinds)}")
    turn = geometry.views_per_turn
    if turn is None:
        differences.append("the views are not equally spaced over a full turn (parallel: half a turn)")
    elif "views_per_turn" in scan:
        fewest, most = scan["views_per_turn"]
        if not 0.9 * fewest <= turn <= 1.1 * most:
            differences.append(f"{turn} views per full turn, not {fewest} to {most}")
    if geometry.divergent and "source_to_isocentre_px" in scan:
        nearest, farthest = scan["source_to_isocentre_px"]
        distance = geometry.source_to_isocentre / pitch
        if not 0.95 * nearest <= distance <= 1.05 * farthest:
            differences.append(
                f"the source is {distance:.0f} pixels of {pitch:.3g} mm from the isocentre, "
                f"not {nearest:g} to {farthest:g}"
            )
    refused, warnings = _detector(info, geometry, grid)
    differences += refused
    if differences or turn is None:
        raise ValueError(f"prior: {info.name} was trained for another scan: {'; '.join(differences)}")
    seen = (pitch, pitch) if info.domain == "sinogram" else grid.spacing[1:]
    warnings += pixel_warnings(info, *seen)
    return turn, warnings


def _detector(info: PriorInfo, geometry: Geometry, grid: Grid) -> tuple[list[str], list[str]]:
    """What differs in the detector: shift, curvature, columns, field; and warnings."""
    differences, warnings = [], []
    sinogram = info.domain == "sinogram"
    if abs(geometry.column_offset) > (0.0 if sinogram else SHIFT * geometry.columns * geometry.column_spacing):
        differences.append("the detector is off the axis")
    if geometry.curved:
        if sinogram:
            differences.append("the detector is curved")
        else:
            warnings.append(f"prior {info.name} was trained on flat detectors, this one is curved")
    column = geometry.pitch
    wide = column / grid.in_plane_spacing
    if wide > WIDE:
        text = f"a detector column is {column:.3g} mm at the isocentre, {wide:.2g} pixels"
        if wide > WIDEST:
            differences.append(f"{text}, not about 1")
        else:
            warnings.append(f"prior {info.name} was trained on one detector column per pixel: {text}")
    needed = grid.field_radius + math.hypot(grid.centre[0], grid.centre[1])
    seen = max(0.0, geometry.fov_radius)
    if seen < SEEN * needed:
        differences.append(f"the detector sees a disc of radius {seen:.1f} mm, the field of view needs {needed:.1f} mm")
    return differences, warnings
