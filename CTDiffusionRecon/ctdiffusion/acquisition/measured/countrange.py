"""Counts that cannot be what a detector read: wrapped 16-bit numbers, and fields that do not belong to them.

A 16-bit count above 32767 read as signed becomes negative; a sum beyond 65535 starts again at 0. Either way what is
bright becomes dark, and a volume comes out of it without a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Views that are looked at: what wraps does so in most of them.
LOOKED_AT = 64
SIGNED, UNSIGNED = 32767.0, 65535.0
# A reading this share of the open beam below the dark is no noise; where the open beam is beyond the signed range.
FAR_BELOW, BELOW = 0.25, 0.02
# A pixel that is so many times brighter than the open beam sees no attenuation, one below this share no open beam.
FAR_ABOVE, BLIND = 1.5, 0.1
# Larger shares of the readings, or of the pixels, are not single pixels that fail.
MANY, MANY_PIXELS, MOST_BRIGHTER = 0.01, 0.002, 0.02
# Neighbours within this share of the range from its ends, across them, and how many of them are told.
ENDS, TOLD = 0.02, 1e-4


def refuse_wrapped(counts: NDArray[Any], flat: Float, dark: Float) -> None:
    """Refuse counts `[view, row or slice, column]` that wrapped, or whose flat frames `[frame, row, column]` did.

    Raises:
        ValueError: the text says which, and what was found.
    """
    short = counts.dtype.kind in "iu" and counts.dtype.itemsize <= 2
    limit = float(np.iinfo(counts.dtype).max) if short else UNSIGNED
    counts = counts[:: -(-len(counts) // LOOKED_AT)].astype(np.float64)
    counts = np.where(np.isfinite(counts), counts, 0.0)
    mean_flat, mean_dark = np.nan_to_num(flat.mean(0)), np.nan_to_num(dark.mean(0))
    beam = mean_flat - mean_dark
    size = float(np.median(np.abs(beam)))
    if _share(beam < -FAR_BELOW * size) > MANY_PIXELS and mean_flat.min() < 0.0:
        raise ValueError(f"flat: down to {mean_flat.min():g}: 16-bit counts read as signed numbers? {_UNSIGNED}")
    low, high = float(counts.min()), float(counts.max())
    signed = low < 0.0 and low >= -SIGNED - 1.0 and high <= SIGNED and _share(mean_flat > SIGNED) > MANY_PIXELS
    below = counts < mean_dark - (BELOW if signed else FAR_BELOW) * size
    if low < 0.0 and _share(below) > MANY:
        raise ValueError(
            f"counts: {_percent(below)} of them lie below the dark, down to {low:g}: 16-bit counts read as signed "
            f"numbers? {_UNSIGNED}"
        )
    # Of a wider type only those whole numbers come from a shorter one that end just where that does.
    full = UNSIGNED * (1.0 - ENDS) <= high <= UNSIGNED and low >= 0.0 and bool((counts == np.rint(counts)).all())
    if (short or full) and _share(mean_flat > limit) > MANY_PIXELS:
        raise ValueError(
            f"counts: up to {high:g} only, where the open beam reaches {mean_flat.max():g}: numbers of 16 bits or "
            "fewer that wrapped or were cut off; save them in a wider type"
        )
    typical, blind = counts.mean(0) - mean_dark, beam < BLIND * size
    if _share(seeing := blind & (typical > FAR_BELOW * size)) > MANY_PIXELS:
        raise ValueError(
            f"flat: {_percent(seeing)} of the pixels see the projections but nothing of the open beam: did the flat "
            "wrap, or does it belong to another scan?"
        )
    if _share(brighter := (typical > FAR_ABOVE * beam) & ~blind) > MOST_BRIGHTER:
        raise ValueError(
            f"counts: more than {FAR_ABOVE:g} times the open beam in {_percent(brighter)} of the pixels: did counts or "
            "flat wrap, or does the flat belong to another scan?"
        )


def wrapped_somewhere(counts: NDArray[Any]) -> str | None:
    """A warning where neighbouring unsigned 16-bit counts lie across the end of their range, as wrapped ones do."""
    top, bottom = int(UNSIGNED * (1.0 - ENDS)), int(UNSIGNED * ENDS)
    if counts.dtype != np.uint16 or int(counts.max()) < top:
        return None
    # Full scale itself is saturation.
    bright, faint = (counts >= top) & (counts < UNSIGNED), counts <= bottom
    across = (bright[..., 1:] & faint[..., :-1]) | (bright[..., :-1] & faint[..., 1:])
    if not across.size or _share(across) <= TOLD:
        return None
    return f"{_percent(across)} of neighbouring readings jump from one end of the 16-bit range to the other: wrapped?"


_UNSIGNED = "Save them as unsigned (65536 added to what is negative)"


def _share(mask: Flags) -> float:
    return float(mask.mean())


def _percent(mask: Flags) -> str:
    return f"{100.0 * _share(mask):.3g} %"
