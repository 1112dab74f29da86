"""The comparison picture: reference and results side by side, three planes, two windows and the errors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import planes
from .entry import Entry
from .table import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...images.volume import Volume

# Inches.
CELL = 2.9
GAP = 0.06
LEFT = 0.95
TOP = 0.95
BOTTOM = 0.35
RIGHT = 0.15
LOWEST_ROW = 0.3


@dataclass(frozen=True)
class Display:
    """How one block of rows turns HU into grey or colour."""

    name: str
    low: float
    high: float
    colours: str
    is_error: bool = False


SOFT_TISSUE = Display("soft tissue\nW 400 L 40", -160.0, 240.0, "gray")
WIDE = Display("wide\nW 2000 L 0", -1000.0, 1000.0, "gray")
ERROR = Display("error\n±300 HU", -300.0, 300.0, "RdBu_r", is_error=True)


def comparison_png(entries: Sequence[Entry], reference: Volume | None = None, title: str = "", dpi: int = 110) -> bytes:
    """The picture as PNG; see `draw`."""
    buffer = io.BytesIO()
    draw(entries, reference, title).savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def draw(entries: Sequence[Entry], reference: Volume | None = None, title: str = "") -> Figure:
    """Central axial, coronal and sagittal cuts of every result, true to scale in mm.

    Columns: the reference, where there is one, then the results. Rows: soft-tissue window, wide window and, with a
    reference, the error against it.

    Raises:
        ValueError: no results, or one that is not on the reference's voxels.
    """
    from matplotlib.figure import Figure

    if not entries:
        raise ValueError("comparison: at least one result is needed")
    shape = (reference or entries[0].volume).array.shape
    for entry in entries:
        if entry.volume.array.shape != shape:
            raise ValueError(f"comparison: {entry.label} has shape {entry.volume.array.shape}, not {shape}")
    columns: list[tuple[Entry | None, Volume]] = [(None, reference)] if reference is not None else []
    columns += [(entry, entry.volume) for entry in entries]
    cut = [planes.cuts(v.array, v.spacing, v.direction) for _, v in columns]
    truth = cut[0] if reference is not None else None
    blocks = (SOFT_TISSUE, WIDE, ERROR) if truth is not None else (SOFT_TISSUE, WIDE)
    inch = CELL / max(plane.width for plane in cut[0].values())
    heights = [max(cut[0][name].height * inch, LOWEST_ROW) for name in planes.NAMES]
    block = sum(heights) + GAP * len(heights)
    width = LEFT + len(columns) * (CELL + GAP) + RIGHT
    height = TOP + len(blocks) * (block + 3 * GAP) + BOTTOM
    figure = Figure(figsize=(width, height), facecolor="white")
    figure.text(0.5, 1 - 0.12 / height, title, ha="center", va="top", fontsize=12, weight="bold", parse_math=False)

    top = height - TOP
    for display in blocks:
        middle = (top - block / 2) / height
        figure.text(0.2 / width, middle, display.name, rotation=90, ha="center", va="center", fontsize=10)
        for name, row in zip(planes.NAMES, heights, strict=True):
            bottom = top - row
            _plane_label(figure, name, (LEFT - 0.08) / width, (bottom + row / 2) / height, upright=row > 1)
            for k in range(len(columns)):
                left = LEFT + k * (CELL + GAP)
                box = (left / width, bottom / height, CELL / width, row / height)
                if not display.is_error:
                    _show(figure, box, cut[k][name], cut[k][name].image, display, f"{name} {k}")
                elif k > 0 and truth is not None:
                    error = cut[k][name].image - truth[name].image
                    _show(figure, box, cut[k][name], error, display, f"error {name} {k}")
            top = bottom - GAP
        top -= 3 * GAP
    for k, (shown, _) in enumerate(columns):
        centre = (LEFT + k * (CELL + GAP) + CELL / 2) / width
        _heading(figure, centre, 1 - (TOP - 0.08) / height, shown)
    if truth is not None:
        _colour_bar(figure, (width, height), BOTTOM + 3 * GAP + block - heights[0])
    return figure


def _plane_label(figure: Any, name: str, right: float, middle: float, upright: bool) -> None:
    figure.text(right, middle, name, rotation=90 if upright else 0, ha="right", va="center", fontsize=9)


def _show(
    figure: Any,
    box: tuple[float, float, float, float],
    plane: planes.Plane,
    image: NDArray[np.float32],
    display: Display,
    label: str,
) -> None:
    axes = figure.add_axes(box, label=label)
    axes.imshow(
        image,
        cmap=display.colours,
        vmin=display.low,
        vmax=display.high,
        extent=(0.0, plane.width, 0.0, plane.height),
        aspect="equal",
        interpolation="nearest" if image.shape[0] > 100 else "bilinear",
    )
    axes.set_axis_off()


def _heading(figure: Any, centre: float, bottom: float, entry: Entry | None) -> None:
    label = "Reference" if entry is None else entry.label
    label = label if len(label) <= 30 else label[:29] + "…"
    if entry is not None and entry.metrics:
        psnr, ssim = number(entry.metrics.get("psnr"), 1), number(entry.metrics.get("ssim"), 3)
        figure.text(centre, bottom, f"PSNR {psnr} dB   SSIM {ssim}", ha="center", va="bottom", fontsize=9.5)
    above = bottom + 0.2 / figure.get_figheight()
    figure.text(centre, above, label, ha="center", va="bottom", fontsize=12, weight="bold", parse_math=False)


def _colour_bar(figure: Any, size: tuple[float, float], bottom: float) -> None:
    """The scale of the error images, in the reference's empty cell."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    width, height = size
    box = ((LEFT + 0.15 * CELL) / width, (bottom + 0.55 * CELL) / height, 0.7 * CELL / width, 0.14 / height)
    scale = ScalarMappable(Normalize(ERROR.low, ERROR.high), ERROR.colours)
    bar = figure.colorbar(scale, cax=figure.add_axes(box, label="colour bar"), orientation="horizontal", extend="both")
    bar.set_label("result - reference (HU)", fontsize=9)
    bar.set_ticks([-300, -150, 0, 150, 300])
    bar.ax.tick_params(labelsize=8)
