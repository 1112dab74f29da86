"""Whether the frames of a DICOM series make a straight stack, and in which order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dicomfile import DataSet
from .dicomframe import Frame

# Direction cosines of three decimals are this far from unit length, and from a right angle, at most.
_ROUNDING = 2e-3


def stacked(frames: list[Frame], normal: NDArray[np.float64]) -> tuple[float, list[Frame]]:
    """Slice spacing in mm and the frames in order along the normal.

    Raises:
        ValueError: frames of different size, orientation or pitch, two at one place, a tilt, or uneven gaps.
    """
    first = frames[0]
    orientation = np.asarray(first.orientation)
    for frame in frames:
        if frame.size != first.size:
            raise ValueError(f"{frame.path.name}: {frame.size} pixels, {first.path.name} has {first.size}")
        if np.abs(np.asarray(frame.orientation) - orientation).max() > 1e-3:
            raise ValueError(f"{frame.path.name}: another orientation than {first.path.name} (tag 0020,0037)")
        if np.abs(np.subtract(frame.spacing, first.spacing)).max() > 1e-4:
            raise ValueError(f"{frame.path.name}: another pixel spacing than {first.path.name} (tag 0028,0030)")
    frames = sorted(frames, key=lambda f: float(np.dot(np.asarray(f.position), normal)))
    if len(frames) == 1:
        return _thickness(first.found), frames
    positions = np.asarray([f.position for f in frames])
    depth = positions @ normal
    gaps = np.diff(depth)
    if gaps.min() < 1e-3:
        k = int(gaps.argmin())
        pair = f"{frames[k].path.name} and {frames[k + 1].path.name}"
        raise ValueError(f"{pair}: two slices at one position ({depth[k]:g} mm)")
    # Positions may be written with one decimal; what they are rounded by is no gap and no tilt.
    rounded = min(0.5 * 10.0 ** -max(f.decimals for f in frames), 0.05) * 1.001
    sideways = positions[-1] - positions[0] - (depth[-1] - depth[0]) * normal
    if np.linalg.norm(sideways) > 1e-3 * (depth[-1] - depth[0]) + max(0.05, 3.0 * rounded):
        angle = np.degrees(np.arctan2(np.linalg.norm(sideways), depth[-1] - depth[0]))
        told = f", tag 0018,1120 says {first.tilt:g}" if first.tilt else ""
        raise ValueError(f"{first.path.name}: gantry tilt of {angle:.1f} degrees{told}: resample it first")
    _check_even(frames, depth, rounded)
    return float((depth[-1] - depth[0]) / (len(frames) - 1)), frames


def _check_even(frames: list[Frame], depth: NDArray[np.float64], rounded: float) -> None:
    """Refuse slices that do not lie evenly: by the gap between two, and by the place on the whole."""
    gaps = np.diff(depth)
    mean = float((depth[-1] - depth[0]) / gaps.size)
    usual = float(np.median(gaps))
    # Gaps between rounded places differ by up to twice the rounding from the mean, and three times from each other.
    uneven = np.abs(gaps - mean) > max(0.1 * mean, min(2.0 * rounded, 0.4 * mean))
    places = np.linspace(depth[0], depth[-1], depth.size)
    astray = np.abs(depth - places) > max(0.1 * mean, min(2.0 * rounded, 0.2 * mean))
    if not uneven.any() and not astray.any():
        return
    odd = np.flatnonzero(np.abs(gaps - usual) > max(0.1 * usual, min(3.0 * rounded, 0.5 * usual)))
    k = int(odd[0]) if odd.size else int(np.abs(gaps - usual).argmax())
    missing = round(float(gaps[k]) / usual) - 1
    what = f"{missing} missing" if missing > 0 else "uneven spacing"
    raise ValueError(
        f"slices are not evenly spaced: {what} between {frames[k].path.name} at {depth[k]:g} mm and "
        f"{frames[k + 1].path.name} at {depth[k + 1]:g} mm (usually {usual:g} mm apart); {max(odd.size, 1)} such gaps"
    )


def perpendicular(frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The directions of rows and columns as perpendicular unit vectors; some writers round them to three decimals.

    Raises:
        ValueError: they are farther from that than rounding explains.
    """
    row, column = np.asarray(frame.orientation[:3]), np.asarray(frame.orientation[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if not max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(float(row @ column))) <= _ROUNDING:
        raise ValueError(f"{frame.path.name}: image orientation: not two perpendicular unit vectors (tag 0020,0037)")
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _thickness(found: DataSet) -> float:
    """Thickness of a single slice, 1 mm where the file does not tell.

    Raises:
        ValueError: what stands there is no number.
    """
    values = found.numbers(0x00180050)
    return values[0] if len(values) == 1 and values[0] > 0 else 1.0
