"""The pixels that an image-domain sampler works on. Imports nothing heavy: estimates of time need it, too."""

from __future__ import annotations

from dataclasses import replace

from .beams import Grid

# Pixel size in mm that `prior` stands for: the middle of the sizes that the shipped prior was trained on.
PRIOR_PIXEL = 1.5
# Finer pixels than this are sampled there by default: at 0.8 mm it was better and faster (docs/notes/quality.md).
FINE_PIXEL = 1.0
CHOICES = ("auto", "input", "prior")


def sampling_grid(grid: Grid, choice: str, known: tuple[float, float] | None = None) -> Grid:
    """The same extent on coarser pixels, or `grid` itself where these are not called for.

    Args:
        grid: the voxels of the result.
        choice: `input`, `prior` (pixels of PRIOR_PIXEL, or of the nearest size that the prior knows) or `auto` (the
            same for pixels below FINE_PIXEL, if the prior knows PRIOR_PIXEL).
        known: smallest and largest pixel in mm that the prior was trained on; None for the shipped one's.
    """
    low, high = known or (PRIOR_PIXEL, PRIOR_PIXEL)
    target = min(max(PRIOR_PIXEL, low), high)
    finest = {"input": 0.0, "auto": FINE_PIXEL if target == PRIOR_PIXEL else 0.0, "prior": target}[choice]
    if grid.in_plane_spacing >= finest:
        return grid
    factor = target / grid.in_plane_spacing
    slices, rows, columns = grid.shape
    few_rows, few_columns = max(1, round(rows / factor)), max(1, round(columns / factor))
    dz, dy, dx = grid.spacing
    return replace(
        grid,
        shape=(slices, few_rows, few_columns),
        spacing=(dz, dy * rows / few_rows, dx * columns / few_columns),
    )
