"""Sampling in the sinogram domain: measured views stay what they are, a score prior fills in the ones between.

One loop for GMSD, MSDiff and their relatives: at every noise level one or more stages act, each with its label of the
prior on its rows of the sinogram. The predictor walks them in turn and puts the measured rows back after each, as
published; `renew` averages their estimates and does so once per level. The rows are put back bit for bit.

Sources: MSDiff, arXiv:2405.05814, algorithm 1; predictor and corrector: Song et al. 2021 (arXiv:2011.13456),
algorithms 2 and 4; for `renew`: Wang et al. 2023 (arXiv:2212.00490), eq. 13 with A+ = replacement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.monitor import Monitor
from ..core.noise import NoiseSource
from ..priors.prior import Prior

# Views by which a sinogram is continued around the turn before the network sees it, at least.
WRAP = 8
MULTIPLE = 16
# Previews of a run: each is an FBP of all views.
PREVIEWS = 4
# Numbers of noise steps that one level may take.
DRAWS = 64
# Where the noise of second looks begins; no sampler has as many levels.
SECOND_LOOK = 1_000_000


@dataclass(frozen=True)
class Stage:
    """One network evaluation (two with a corrector) of a level.

    Attributes:
        label: of the prior.
        rows: rows of the sinogram it acts on; each group of rows is a sinogram of its own, all of one length.
        high: change the three high bands of the Haar wavelet transform only.
        among_zeros: show each group of rows in its place in a sinogram of zeros instead.
    """

    label: int
    rows: tuple[slice, ...]
    high: bool = False
    among_zeros: bool = False


@dataclass(frozen=True)
class Levels:
    """How the levels are walked.

    Attributes:
        sigmas: falling noise levels in the prior's range.
        rule: `predictor` (reverse diffusion, the published one) or `renew` (estimate, replacement, noise anew).
        noisy: whether `predictor` and corrector add their noise; the released code drops it.
        corrector: Langevin steps after each predictor step.
        snr: their signal-to-noise ratio.
        eta: for `renew`: share of the noise that is fresh.
    """

    sigmas: Sequence[float]
    rule: str
    noisy: bool = False
    corrector: int = 0
    snr: float = 0.075
    eta: float = 1.0


def sample_sinogram(
    start: Tensor,
    measured: Callable[[Tensor], Tensor],
    prior: Prior,
    stages: Sequence[Stage],
    levels: Levels,
    noise: NoiseSource,
    monitor: Monitor,
    preview: Callable[[Tensor], Tensor],
) -> Tensor:
    """Fill in a sinogram; its measured rows are bit-identical in the result.

    Args:
        start: full sinograms `[slice, view, column]` in the prior's range, the measured rows in place.
        measured: puts the measured rows into a sinogram.
        prior: of sinograms.
        stages: what acts at each level.
        levels: the noise levels and how they are walked.
        noise: depends on (seed, absolute slice, step) alone.
        preview: sinogram -> attenuation volume for display.

    Raises:
        FloatingPointError: the state stopped being finite.
    """
    step = _renew if levels.rule == "renew" else _predict
    saved = monitor.saved_state()
    total = len(levels.sigmas)
    every = max(1, total // PREVIEWS)
    if saved is not None:
        first, x = saved[0], saved[1]["x"].to(start.device)
    else:
        first, x = 0, start
        if levels.rule == "renew":
            x = start + levels.sigmas[0] * noise.normal(0, _shape(start), start.device)
    for index in range(first, total):
        sigma = levels.sigmas[index]
        after = levels.sigmas[index + 1] if index + 1 < total else 0.0
        x = step(x, sigma, after, index, measured, prior, stages, levels, noise, monitor)
        if not bool(torch.isfinite(x).all()):
            raise FloatingPointError(f"the sinogram stopped being finite at step {index + 1} (sigma {sigma:g})")
        if index + 1 < total:
            monitor.save_state(index + 1, {"x": x})
        shown = preview(measured(x)) if index % every == 0 else None
        monitor.step("sampling", index + 1, total, shown)
    return measured(x)


def _renew(
    x: Tensor, sigma: float, after: float, index: int, measured: Callable[[Tensor], Tensor], prior: Prior,
    stages: Sequence[Stage], levels: Levels, noise: NoiseSource, monitor: Monitor,
) -> Tensor:  # fmt: skip
    """The mean of the stages' estimates with the measured rows put back, and noise of the next level on everything."""
    total, count = torch.zeros_like(x), torch.zeros(x.shape[1], 1, device=x.device)
    base = x
    for position, stage in enumerate(stages):
        if stage.high and position:
            # The estimate before, with the noise that the network expects here: another look at its high bands.
            noisy = measured(base) + sigma * noise.normal(SECOND_LOOK + index, _shape(x), x.device)
            estimate = _confined(_estimate(noisy, sigma, stage, prior, monitor), base, stage)
        else:
            estimate = _confined(_estimate(x, sigma, stage, prior, monitor), x, stage)
        base = estimate
        for rows in stage.rows:
            total[:, rows] += estimate[:, rows]
            count[rows] += 1.0
    x0 = measured(torch.where(count > 0, total / count.clamp(min=1.0), x))
    if not after:
        return x0
    fresh = noise.normal(index + 1, _shape(x), x.device)
    if levels.eta < 1.0:
        fresh = levels.eta * fresh + math.sqrt(1.0 - levels.eta**2) * (x - x0) / sigma
    return x0 + after * fresh


def _predict(
    x: Tensor, sigma: float, after: float, index: int, measured: Callable[[Tensor], Tensor], prior: Prior,
    stages: Sequence[Stage], levels: Levels, noise: NoiseSource, monitor: Monitor,
) -> Tensor:  # fmt: skip
    """Predictor and corrector of each stage in turn, each followed by the measured rows."""
    draw = index * DRAWS
    kept = (after / sigma) ** 2
    for stage in stages:
        estimate = _confined(_estimate(x, sigma, stage, prior, monitor), x, stage)
        moved = kept * x + (1.0 - kept) * estimate
        if levels.noisy and after:
            moved = moved + math.sqrt(sigma**2 - after**2) * noise.normal(draw, _shape(x), x.device)
        x = measured(_on_rows(x, moved, stage))
        draw += 1
        for _ in range(levels.corrector if after else 0):
            score = (_confined(_estimate(x, after, stage, prior, monitor), x, stage) - x) / after**2
            z = noise.normal(draw, _shape(x), x.device)
            draw += 1
            # Langevin: eps = 2 (snr |z| / |s|)^2, slice by slice and on the stage's own rows.
            chosen = torch.cat([torch.arange(x.shape[1], device=x.device)[rows] for rows in stage.rows])
            length = score[:, chosen].norm(dim=(1, 2), keepdim=True).clamp(min=1e-12)
            eps = 2.0 * (levels.snr * z[:, chosen].norm(dim=(1, 2), keepdim=True) / length) ** 2
            moved = x + eps * score
            if levels.noisy:
                moved = moved + (2.0 * eps).sqrt() * z
            x = measured(_on_rows(x, moved, stage))
    return x


def _on_rows(x: Tensor, moved: Tensor, stage: Stage) -> Tensor:
    out = x.clone()
    for rows in stage.rows:
        out[:, rows] = moved[:, rows]
    return out


def _confined(estimate: Tensor, kept: Tensor, stage: Stage) -> Tensor:
    """The estimate, or for a stage of the high bands `kept` with the high bands of the estimate."""
    return kept + high_bands(estimate - kept) if stage.high else estimate


def _estimate(x: Tensor, sigma: float, stage: Stage, prior: Prior, monitor: Monitor) -> Tensor:
    """The prior's estimate on the stage's rows; the other rows as they are."""
    out = x.clone()
    with monitor.timed("network"):
        if stage.among_zeros:
            for rows in stage.rows:
                shown = torch.zeros_like(x)
                shown[:, rows] = x[:, rows]
                out[:, rows] = denoise_wrapped(prior, shown, sigma, stage.label)[:, rows]
            return out
        # All groups of rows at once: the prior takes its batches from what it is given.
        groups = torch.cat([x[:, rows] for rows in stage.rows])
        estimates = denoise_wrapped(prior, groups, sigma, stage.label).chunk(len(stage.rows))
        for rows, estimate in zip(stage.rows, estimates, strict=True):
            out[:, rows] = estimate
    return out


def denoise_wrapped(prior: Prior, x: Tensor, sigma: float, label: int) -> Tensor:
    """D(x, sigma) of full-turn sinograms `[slice, view, column]`, continued around the turn for the network."""
    views = x.shape[1]
    extra = -(views + 2 * WRAP) % MULTIPLE
    before, behind = WRAP + extra // 2, WRAP + extra - extra // 2
    index = torch.arange(-before, views + behind, device=x.device) % views
    return prior.predict_stacks(x[:, index][:, None], label, sigma, 1.0)[:, 0, before : before + views]


def high_bands(x: Tensor) -> Tensor:
    """What remains of sinograms without their lowest Haar band: each 2 x 2 block without its mean.

    Odd sizes are continued by their last row or column.
    """
    padded = torch.nn.functional.pad(x[:, None], (0, x.shape[2] % 2, 0, x.shape[1] % 2), mode="replicate")
    low = torch.nn.functional.avg_pool2d(padded, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    return (padded - low)[:, 0, : x.shape[1], : x.shape[2]]


def interpolate_turn(rows: Tensor, stride: int) -> Tensor:
    """Full-turn sinograms from every `stride`-th view, by Fourier interpolation around the turn.

    Exact for sinograms whose angular spectrum ends below half the measured view count. The measured rows stay where
    they were measured: nothing is shifted by half a stride. `[slice, view, column]`.
    """
    count = rows.shape[1]
    spectrum = torch.fft.rfft(rows.double(), dim=1)
    if count % 2 == 0:
        # The highest frequency of an even count stands for both its signs.
        spectrum[:, -1] *= 0.5
    full = count * stride
    out: Tensor = torch.fft.irfft(spectrum * stride, n=full, dim=1) if stride > 1 else rows.double()
    out = out.to(rows.dtype)
    out[:, ::stride] = rows
    return out


def interpolate_linear(rows: Tensor, stride: int) -> Tensor:
    """The same linearly: smoother where few views were measured."""
    weight = (torch.arange(stride, device=rows.device, dtype=rows.dtype) / stride)[None, None, :, None]
    following = rows.roll(-1, dims=1)
    out = torch.lerp(rows[:, :, None], following[:, :, None], weight)
    return out.reshape(rows.shape[0], -1, rows.shape[2])


def _shape(x: Tensor) -> tuple[int, int, int]:
    return (x.shape[0], x.shape[1], x.shape[2])
