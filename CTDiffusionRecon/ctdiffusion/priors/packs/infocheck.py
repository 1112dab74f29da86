"""Whether the metadata of a prior make sense: ranges that are ranges, and what stands inside of its free fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..prior import PriorInfo

# No count, length in pixels or noise level comes near it.
LARGEST = 1e12


def wrong_field(info: PriorInfo) -> str:
    """The first field with a value that nothing can work with, or an empty text."""
    ranges = {
        "window": info.window[0] < info.window[1],
        "sigma_range": 0.0 <= info.sigma_range[0] <= info.sigma_range[1],
        "spacing_range": 0.0 < info.spacing_range[0] <= info.spacing_range[1],
        "network.class": isinstance(info.network.get("class"), str),
        "quality.denoising_rmse": _is_card(info.quality.get("denoising_rmse", {})),
    }
    scan = {f"scan.{name}": good(info.scan[name]) for name, good in _SCAN.items() if name in info.scan}
    return next((name for name, good in {**ranges, **scan}.items() if not good), "")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < LARGEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _is_card(value: Any) -> bool:
    try:
        return isinstance(value, Mapping) and all(0 < float(k) < LARGEST and _is_number(v) for k, v in value.items())
    except (TypeError, ValueError):
        return False


_SCAN: dict[str, Callable[[Any], bool]] = {
    "kinds": lambda value: isinstance(value, list) and all(isinstance(kind, str) for kind in value),
    "views_per_turn": _is_range,
    "source_to_isocentre_px": _is_range,
    "full_views": _is_count,
    "subset": _is_count,
}
