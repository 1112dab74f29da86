"""The table of results, as rows of text that the terminal and the page share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .entry import Entry

HEADINGS = ("Method", "PSNR dB", "SSIM", "RMSE HU", "Misfit", "chi2", "Seconds")
MISSING = "-"


def rows(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """One row of texts for every entry, in the order of `HEADINGS`."""
    return [
        (
            entry.label,
            number(entry.metrics.get("psnr"), 2),
            number(entry.metrics.get("ssim"), 4),
            number(entry.metrics.get("rmse_hu"), 1),
            number(entry.misfit.get("relative"), 4),
            number(entry.misfit.get("chi2"), 3),
            number(entry.seconds, 1),
        )
        for entry in entries
    ]


def text_table(entries: Sequence[Entry]) -> str:
    """The table for a terminal."""
    lines = [HEADINGS, *rows(entries)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEADINGS))]
    first, *rest = widths
    return "\n".join(
        "  ".join([line[0].ljust(first), *(cell.rjust(w) for cell, w in zip(line[1:], rest, strict=True))])
        for line in lines
    )


def number(value: float | None, digits: int) -> str:
    """A number with fixed digits; a dash where it is missing or undefined."""
    if value is None or math.isnan(value):
        return MISSING
    return "infinite" if math.isinf(value) else f"{value:.{digits}f}"
