"""What a volume's values mean - HU, or MR without a unit - and their map to the working range of a prior."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.units import HUWindow, robust_maximum
from ..images.hounsfield import to_hounsfield
from ..images.volume import Volume
from ..priors.prior import PriorInfo

PER_MILLE = (0.0, 1000.0)
# An MR volume may dip below zero (filtered, interpolated), but not to this share of its robust maximum.
_DIP = 0.2


@dataclass(frozen=True)
class Intensities:
    """The map between a volume's values and the working range, where `low` and `high` are 0 and 1.

    Attributes:
        modality: CT or MR.
        low, high: values as they stand in the file.
        width: high - low in `unit`.
        unit: HU or per mille (of the robust maximum).
    """

    modality: str
    low: float
    high: float
    width: float
    unit: str

    def normalise(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values to the working range."""
        return ((values - self.low) / (self.high - self.low)).astype(np.float32)

    def denormalise(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The working range to values."""
        return (x.astype(np.float64) * (self.high - self.low) + self.low).astype(np.float32)


def judge(volume: Volume, name: str, assume_hu: bool) -> tuple[Volume, str, str]:
    """Decide whether a volume holds CT in HU or MR.

    Args:
        volume: values as they stand in the file, from which it is guessed where no DICOM tag says it.
        name: the file's name, for messages.
        assume_hu: take them for HU whatever they look like.

    Returns:
        The volume (CT with its padding clipped), CT or MR, and for MR why it is not CT.

    Raises:
        ValueError: a CT series whose values are not HU.
    """
    if volume.modality == "MR" and not assume_hu:
        return volume, "MR", f"{name}: modality MR (tag 0008,0060)"
    try:
        array, notes = to_hounsfield(volume.array, name, assume_hu)
    except ValueError as error:
        if volume.modality == "CT":
            raise
        return volume, "MR", str(error)
    return replace(volume, array=array, notes=volume.notes + notes), "CT", ""


def check_prior(info: PriorInfo, volume: Volume, name: str, modality: str, why: str) -> None:
    """Refuse a prior of another kind of image.

    Raises:
        ValueError: MR for a CT prior or the reverse.
    """
    if info.modality == modality:
        return
    if modality == "MR":
        raise ValueError(f"prior: {info.name} is a prior of CT, but {why}")
    low, high = float(volume.array.min()), float(volume.array.max())
    raise ValueError(
        f"prior: {info.name} is a prior of {info.modality}, but {name}: values from {low:g} to {high:g} "
        "are taken for CT in HU"
    )


def intensities(volume: Volume, modality: str, info: PriorInfo | None) -> Intensities:
    """The working range of a volume, which is the prior's where there is one.

    Raises:
        ValueError: an MR volume without positive values, or with negative ones that MR does not have.
    """
    if modality == "CT":
        window = info.hu_window if info is not None else HUWindow()
        return Intensities("CT", window.low, window.high, window.high - window.low, "HU")
    low, high = info.window if info is not None else PER_MILLE
    scale = robust_maximum(volume.array) / 1000.0
    lowest = float(volume.array.min())
    if lowest < -_DIP * 1000.0 * scale:
        raise ValueError(f"input: values down to {lowest:g} are no MR magnitudes; pass --assume-hu if it is CT in HU")
    return Intensities("MR", low * scale, high * scale, high - low, "per mille")
