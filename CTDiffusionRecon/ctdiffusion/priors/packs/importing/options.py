"""What a checkpoint does not tell and the user may: the options of an import."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from ....core.units import HUWindow
from ...choices import ACTIVATIONS, PRECONDITIONINGS, PREDICTIONS, SCHEDULES
from ...networks.fir import check_taps
from ..folders import check_name
from .choices import LAYOUTS
from .converted import Settings, option_text

_MOST = 65_536
# Options that say how the network becomes a denoiser, by the kind of parametrisation that they mean something for.
BY_KIND: dict[str, frozenset[str]] = {
    "vp": frozenset({"data_range", "timesteps", "betas", "schedule", "prediction", "same_slice_label"}),
    "ve": frozenset({"data_range"}),
    "preconditioned": frozenset({"data_range", "sigma_range", "data_deviation", "preconditioning"}),
    "cold": frozenset({"levels"}),
}


@dataclass(frozen=True)
class ImportOptions(Settings):
    """What a checkpoint does not tell; whatever is left out comes from the tensors, the preset or the usual.

    What belongs to the layout of a network is declared in `Settings`.

    Attributes:
        preset: name of the published configuration, empty for the likeliest.
        name: name of the pack, empty for the preset's.
        modality: CT or MR.
        domain: image or sinogram.
        window: HU interval that the network sees as [0, 1].
        spacing: pixel sizes in mm that it was trained on.
        image_size: side in pixels of the training images.
        licence: licence of the weights.
        labels: slice-spacing labels that a network for several slices was trained on.
        same_slice_label: the one of them for the same slice several times.
        levels: views per turn of a restoring network's levels, falling.
        data_range: what 0 and 1 of the window are to the network.
        timesteps, betas, schedule, prediction: the noise of a network with timesteps, see `VPDenoiser`.
        preconditioning, data_deviation: of a network of EDM's, see `PreconditionedDenoiser`.
        sigma_range: noise levels that it was trained on, in its own range.
        despite_trial: make the pack even if the network leaves test images no better than they were.
    """

    preset: str = ""
    name: str = ""
    modality: str = ""
    domain: str = ""
    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = None
    image_size: int = 0
    licence: str = ""
    labels: tuple[int, ...] = ()
    same_slice_label: int | None = None
    levels: tuple[int, ...] = ()
    data_range: tuple[float, float] | None = None
    timesteps: int = 0
    betas: tuple[float, float] | None = None
    schedule: str = ""
    prediction: str = ""
    preconditioning: str = ""
    data_deviation: float = 0.0
    sigma_range: tuple[float, float] | None = None
    despite_trial: bool = False

    def __post_init__(self) -> None:
        _one_of("layout", self.layout, LAYOUTS)
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("prediction", self.prediction, PREDICTIONS)
        _one_of("preconditioning", self.preconditioning, PRECONDITIONINGS)
        if self.name:
            check_name(self.name)
        if self.window is not None:
            HUWindow(*self.window)
        if self.spacing is not None and not 0.0 < self.spacing[0] <= self.spacing[1] < 1000.0:
            raise ValueError(f"spacing: two increasing pixel sizes in mm, got {self.spacing[0]}, {self.spacing[1]}")
        for name in ("image_size", "head_channels", "heads", "heads_up"):
            if not 0 <= getattr(self, name) <= _MOST:
                raise ValueError(f"{name}: a number to {_MOST} is wanted, got {getattr(self, name)}")
        if self.timesteps and not 2 <= self.timesteps <= 100_000:
            raise ValueError(f"timesteps: 2 to 100000 are wanted, got {self.timesteps}")
        for label in (*self.labels, *([] if self.same_slice_label is None else [self.same_slice_label])):
            if not 0 <= label <= _MOST:
                raise ValueError(f"labels: numbers to {_MOST} are wanted, got {label}")
        if any(not 1 <= views <= 100_000 for views in self.levels) or list(self.levels) != sorted(
            set(self.levels), reverse=True
        ):
            raise ValueError(f"levels: falling numbers of views are wanted, got {' '.join(map(str, self.levels))}")
        if self.resample_filter:
            check_taps(self.resample_filter)
        _increasing("data_range", self.data_range, -1e6, 1e6)
        _increasing("sigma_range", self.sigma_range, 0.0, 1e6)
        _increasing("betas", self.betas, 0.0, 1.0)
        if not 0.0 <= self.data_deviation < 1e6:
            raise ValueError(f"data_deviation: a positive number is wanted, got {self.data_deviation}")

    def settings(self) -> Settings:
        """What of them the conversion itself needs."""
        return Settings(**{item.name: getattr(self, item.name) for item in fields(Settings)})

    def says(self, name: str) -> bool:
        """Whether the user said something to an option."""
        return bool(getattr(self, name) != type(self).__dataclass_fields__[name].default)

    def parametrisation(self, kind: str) -> dict[str, Any]:
        """The arguments of a parametrisation that the user gave.

        Raises:
            ValueError: an option that means nothing for this kind.
        """
        every = frozenset().union(*BY_KIND.values())
        for name in sorted(every - BY_KIND.get(kind, frozenset())):
            if self.says(name):
                raise ValueError(f"{option_text(name)} means nothing for this network ({kind})")
        found: dict[str, Any] = {}
        for name, argument in _ARGUMENTS.items():
            if self.says(name):
                value = getattr(self, name)
                found[argument] = list(value) if isinstance(value, tuple) else value
        if self.betas is not None:
            found["beta_start"], found["beta_end"] = self.betas
        return found


_ARGUMENTS = {
    "data_range": "data_range",
    "timesteps": "steps",
    "schedule": "schedule",
    "prediction": "prediction",
    "same_slice_label": "same_slice_label",
    "preconditioning": "preconditioning",
    "data_deviation": "data_deviation",
    "levels": "levels",
}


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value and value not in known:
        raise ValueError(f"{name}: must be one of {', '.join(known)}, got {value!r}")


def _increasing(name: str, pair: tuple[float, float] | None, low: float, high: float) -> None:
    if pair is None:
        return
    first, last = pair
    if not (math.isfinite(first) and math.isfinite(last) and low <= first < last <= high):
        raise ValueError(f"{name}: two increasing numbers from {low:g} to {high:g} are wanted, got {first}, {last}")
