"""Whether a scan is one that a prior was trained on: what a pack says under `scan`, held against a geometry.

`scan` of a prior that belongs to a geometry: `kinds` (fan, parallel), `views_per_turn` [fewest, most],
`source_to_isocentre_px` [nearest, farthest] in pixels (images) or detector columns at the isocentre (sinograms).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..geometry import FULL_TURN, ConeBeam, FanBeam, Geometry, ParallelBeam
from .prior import PriorInfo

# Largest departure from equal spacing, in parts of the spacing.
UNEQUAL = 1e-2


def views_per_turn(geometry: Geometry) -> int | None:
    """Views on a full turn of an equally spaced scan, or None for any other.

    A fan has to go round; a parallel beam may also cover half a turn, whose mirror image is the other half.
    """
    if isinstance(geometry, ParallelBeam) and _equispaced(geometry.angles, math.pi):
        return 2 * geometry.views
    return geometry.views if _equispaced(geometry.angles, FULL_TURN) else None


def check_scan(info: PriorInfo, geometry: Geometry, pitch: float) -> tuple[int, list[str]]:
    """Views per full turn of a scan that the prior fits, and warnings.

    Args:
        info: the pack's metadata.
        geometry: the scan.
        pitch: length in mm that the network sees as one step: the pixel, or the detector column at the isocentre.

    Raises:
        ValueError: another geometry; the text says all that differs.
    """
    scan = info.scan
    differences, warnings = [], []
    kinds = scan.get("kinds", ["fan", "parallel"])
    if isinstance(geometry, ConeBeam) or geometry.kind not in kinds:
        differences.append(f"the geometry is {geometry.kind}, not {' or '.join(kinds)}")
    turn = views_per_turn(geometry)
    if turn is None:
        differences.append("the views are not equally spaced over a full turn (parallel: half a turn)")
    elif "views_per_turn" in scan:
        fewest, most = scan["views_per_turn"]
        if not 0.9 * fewest <= turn <= 1.1 * most:
            differences.append(f"{turn} views per full turn, not {fewest} to {most}")
    if isinstance(geometry, FanBeam) and "source_to_isocentre_px" in scan:
        nearest, farthest = scan["source_to_isocentre_px"]
        distance = geometry.source_to_isocentre / pitch
        if not 0.95 * nearest <= distance <= 1.05 * farthest:
            differences.append(
                f"the source is {distance:.0f} pixels of {pitch:.3g} mm from the isocentre, "
                f"not {nearest:g} to {farthest:g}"
            )
    if differences or turn is None:
        raise ValueError(f"prior: {info.name} was trained for another scan: {'; '.join(differences)}")
    low, high = info.spacing_range
    if not 0.98 * low <= pitch <= 1.02 * high:
        warnings.append(
            f"prior {info.name} was trained on pixels of {low:g} to {high:g} mm, these are {pitch:.3g} mm: "
            "it works outside of what it has learnt"
        )
    return turn, warnings


def _equispaced(angles: Sequence[float], period: float) -> bool:
    place = sorted(a % period for a in angles)
    step = period / len(place)
    gaps = [b - a for a, b in zip(place, [*place[1:], place[0] + period], strict=True)]
    return all(abs(gap - step) <= UNEQUAL * step for gap in gaps)
