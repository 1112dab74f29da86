"""From what a detector counted to line integrals with a variance: Beer-Lambert, safe at every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# A pixel that reacts with less than this share of its neighbours' is dead; one with this multiple, or whose dark
# signal reaches half of the beam, is hot.
DEAD_SHARE, HOT_MULTIPLE = 0.1, 5.0
# Noise moves every pixel that works in so many views; beyond this share of constant pixels there is none to see.
VIEWS_FOR_STUCK, MOST_STUCK = 16, 0.1
# A detector of which more than this share is broken measures nothing.
MOST_BROKEN = 0.5
# With this many flat frames their scatter tells how many photons one count stands for.
FRAMES_FOR_GAIN = 5
LOWEST_PHOTONS = 1.0
# Fractions are in a unit that no detector counts in. The open beam is then taken for so many photons: as many as a
# detector element of a CT scanner gets, so the line integrals do not depend on the unit.
USUAL_PHOTONS = 1e5
# No object keeps every photon from so many of the rays.
MOST_STARVED = 0.5
# No object lets more than the open beam through; noise does, in few rays.
BRIGHTER = 1.65
# Beyond this share of readings that are not finite, a file is not what it is said to be.
MOST_HOLES = 0.1


@dataclass(frozen=True)
class LineIntegrals:
    """Line integrals `[..., row or slice, column]`, their variance (infinite where not measured) and what was found."""

    values: Float
    variance: Float | None
    warnings: tuple[str, ...] = ()


def from_counts(
    counts: NDArray[Any],
    flat: Float,
    dark: Float,
    photons_per_count: float | None = None,
    saturation: float | None = None,
) -> LineIntegrals:
    """-ln((counts - dark) / (flat - dark)) and its variance.

    The variance follows from the counts themselves. With N photons in the projection, F in the mean of n flat
    frames, and e the scatter of the dark frames in photons: (N + e^2) / N^2 + (F / n + e^2 / n) / F^2.

    Args:
        counts: `[view, row or slice, column]`.
        flat: frames of the open beam `[frame, row or slice, column]`.
        dark: frames without beam, likewise.
        photons_per_count: gain; None takes it from the scatter of the flat frames, else one photon a count, or
            `USUAL_PHOTONS` in the open beam where the readings are fractions.
        saturation: counts from which on a pixel is saturated; None takes full scale of whole numbers.

    Raises:
        ValueError: shapes that do not fit, too many readings that are not finite or less than one photon, or a flat
            field that is not brighter than the dark.
    """
    if flat.shape[1:] != counts.shape[1:] or dark.shape[1:] != counts.shape[1:]:
        raise ValueError(
            f"flat {flat.shape[1:]} and dark {dark.shape[1:]} frames do not fit projections of {counts.shape[1:]}"
        )
    holes = ~np.isfinite(counts)
    if holes.mean() > MOST_HOLES:
        raise ValueError(f"{100 * holes.mean():.0f} % of the readings are not finite")
    counts = np.where(holes, 0, counts)
    # A pixel with a frame that is not finite has no mean, and counts as dead.
    flat, dark = (np.where(np.isfinite(frames), frames, np.nan) for frames in (flat, dark))
    mean_flat, mean_dark = flat.mean(0), dark.mean(0)
    beam = mean_flat - mean_dark
    typical = float(np.median(beam[np.isfinite(beam)])) if np.isfinite(beam).any() else 0.0
    if not typical > 0:
        raise ValueError("the flat field is not brighter than the dark field: are they exchanged?")
    warnings: list[str] = []
    broken = _broken_pixels(beam, mean_dark, typical, counts)
    if broken.any():
        warnings.append(f"{int(broken.sum())} of {broken.size} detector pixels are dead or hot: not used")
    if holes.any():
        warnings.append(f"{int(holes.sum())} readings are not finite and were filled from their neighbours")
    saturated = _saturated(counts, saturation)
    if saturated.any():
        warnings.append(f"{_percent(saturated)} of the readings are saturated: not used")
    gain = photons_per_count
    if gain is None:
        gain = _gain(flat - mean_dark, broken) if len(flat) >= FRAMES_FOR_GAIN else None
        if gain is None and _whole(counts):
            gain = 1.0
            warnings.append("photons_per_count is not known, one was assumed: the noise level is a guess")
        elif gain is None:
            gain = USUAL_PHOTONS / typical
            warnings.append(
                f"photons_per_count is not known and the counts are fractions, {USUAL_PHOTONS:,.0f} photons in the "
                "open beam were assumed: the noise level is a guess"
            )
    electronic = float((dark[:, ~broken].std(0, ddof=1)).mean()) * gain if len(dark) > 1 and not broken.all() else 0.0
    bright = np.maximum(gain * beam, LOWEST_PHOTONS)
    photons = gain * (counts - mean_dark)
    starved = photons < LOWEST_PHOTONS
    starved &= ~(broken | holes)
    if starved.mean() > MOST_STARVED:
        raise ValueError(
            f"{_percent(starved)} of the readings are less than one photon after the dark was taken off: do flat, dark "
            "and photons_per_count belong to them?"
        )
    dark_readings = starved & (photons <= 0.0)
    if dark_readings.any():
        warnings.append(f"{_percent(dark_readings)} of the readings are zero or negative after the dark was taken off")
    if (faint := starved & ~dark_readings).any():
        warnings.append(f"{_percent(faint)} of the readings are less than one photon, and count as one")
    photons = np.maximum(photons, LOWEST_PHOTONS)
    values = np.log(bright / photons)
    variance = (photons + electronic**2) / photons**2 + (bright + electronic**2) / (len(flat) * bright**2)
    unknown = np.broadcast_to(broken, variance.shape) | holes
    variance[unknown | saturated] = np.inf
    return LineIntegrals(bridged(values, unknown), variance, tuple(warnings))


def from_transmission(transmission: Float, photons: float | None) -> LineIntegrals:
    """-ln of corrected intensities I / I0; the variance follows from I where the photons in air are known.

    Raises:
        ValueError: more readings without a photon, or brighter than air, than any object causes.
    """
    lowest = LOWEST_PHOTONS / photons if photons else 1e-6
    starved = ~(transmission > lowest)
    if starved.mean() > MOST_STARVED:
        raise ValueError(f"{_percent(starved)} of the readings are zero or negative: line integrals, not transmission?")
    # Percent, counts, or an air scan of another exposure.
    if float((transmission > BRIGHTER).mean()) > MOST_HOLES:
        raise ValueError(
            f"transmission up to {float(transmission.max()):g}, where 1 is air: counts (values = counts), or another "
            "unit (scale)?"
        )
    values = -np.log(np.where(starved, lowest, transmission))
    warnings = (f"{_percent(starved)} of the readings are zero or negative",) if starved.any() else ()
    return LineIntegrals(values, None if photons is None else np.exp(values) / photons, warnings)


def bridged(values: Float, holes: NDArray[np.bool_]) -> Float:
    """Values with the holes filled along the columns from their neighbours, for methods that know no weights."""
    out: Float = values.copy()
    columns = np.arange(values.shape[-1])
    for line, hole in zip(out.reshape(-1, columns.size), holes.reshape(-1, columns.size), strict=True):
        if hole.all():
            line[:] = 0.0
        elif hole.any():
            line[hole] = np.interp(columns[hole], columns[~hole], line[~hole])
    return out


def _broken_pixels(beam: Float, dark: Float, typical: float, counts: NDArray[Any]) -> NDArray[np.bool_]:
    dead = ~(beam > DEAD_SHARE * typical)
    hot = (beam > HOT_MULTIPLE * typical) | (dark > np.nanmedian(dark) + 0.5 * typical)
    stuck = np.zeros_like(dead)
    if counts.shape[0] >= VIEWS_FOR_STUCK:
        constant = counts.max(0) == counts.min(0)
        # Where many are constant it is the data that have no noise, or too few levels to show it.
        if constant.mean() <= MOST_STUCK:
            stuck = constant
    broken = np.asarray(dead | hot | stuck)
    if broken.mean() > MOST_BROKEN:
        raise ValueError(f"{_percent(broken)} of the detector pixels are dead or hot: do flat and dark belong to it?")
    return broken


def _whole(counts: NDArray[Any]) -> bool:
    """Whether the readings are whole numbers, as a detector's own counts are, and not all of them 0 or 1."""
    return bool(float(counts.max()) > 1.0 and (counts.dtype.kind in "iu" or (counts == np.rint(counts)).all()))


def _saturated(counts: NDArray[Any], saturation: float | None) -> NDArray[np.bool_]:
    if saturation is None:
        # Detectors stop at 2^bits - 1; only whole numbers that reach such a value exactly can mean it.
        highest = float(counts.max())
        full = counts.dtype.kind in "iu" and highest in {float(2**bits - 1) for bits in (8, 10, 12, 14, 16)}
        saturation = highest if full else np.inf
    return np.asarray(counts >= saturation)


def _gain(flat: Float, broken: NDArray[np.bool_]) -> float | None:
    """Photons per count by photon transfer (mean over variance), the drift of the whole beam between frames taken out.

    Janesick 1987, doi:10.1117/12.7974183.
    """
    frames = flat[:, ~broken]
    if frames.size == 0:
        return None
    frames = frames * (frames.mean() / frames.mean(1, keepdims=True))
    variance = frames.var(0, ddof=1)
    usable = variance > 0
    return float(np.median(frames.mean(0)[usable]) / np.median(variance[usable])) if usable.any() else None


def _percent(mask: NDArray[np.bool_]) -> str:
    return f"{100.0 * float(mask.mean()):.3g} %"
