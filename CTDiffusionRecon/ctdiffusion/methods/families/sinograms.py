"""What GMSD, MSDiff and their relatives share: the way from a measurement to a full-turn sinogram and back.

Corrected against the released codes: views are indexed where they were measured (the released mask counts in a padded
frame, so that 10 and 20 views became 20 and 40); interpolation goes around the turn and shifts nothing; the sinogram
has the scale of line integrals and the result is in HU; no iterate is chosen with the truth. The full turn is the
multiple of the measured view count nearest to the prior's: every measured row is a row of it and stays bit-identical.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ...operators.base import LinearOperator
from ...operators.factory import make_operator
from ...priors.kind_names import SINOGRAM
from ...priors.kinds import kind_of
from ...priors.prior import Prior
from ...priors.scan import check_scan
from ...samplers.schedule import geometric
from ...samplers.sinogram import Levels, Stage, interpolate_linear, interpolate_turn, sample_sinogram
from ...scan.beams import FULL_TURN, equispaced
from ..problem import Problem
from .agreement import agreed
from .sinogram_parameters import SinogramParameters

# `subset_input` of a prior's scan: its sparse-view model sees its rows in a sinogram of zeros.
ZERO_FILLED = "zero-filled"
# Stride of the sparse-view model's rows where a prior does not say it; MSDiff's.
SUBSET = 6
# How far the full turn may be from the prior's view count.
STRETCH = 0.12


@dataclass(frozen=True)
class Turn:
    """A measurement laid on a full turn.

    Attributes:
        order: the measured views by direction.
        flipped: for each of them whether it was taken from the other end of its lines, half a turn away.
        stride: rows of the full turn from one measured row to the next.
        views: rows of the full turn.
        operator: projector of the full turn.
        mirrored: whether the measurement is half a turn, whose mirror image is the other half.
    """

    order: tuple[int, ...]
    flipped: tuple[bool, ...]
    stride: int
    views: int
    operator: LinearOperator
    mirrored: bool

    @staticmethod
    def of(problem: Problem, prior: Prior) -> Turn:
        """Lay the measurement of `problem` on a turn of about the prior's view count.

        Raises:
            ValueError: a scan that the prior was not trained for; the text says what differs.
        """
        geometry, info = problem.projections.geometry, prior.info
        count, warnings = check_scan(info, geometry, problem.grid)
        full = int(info.scan.get("full_views", count))
        stride = max(1, round(full / count))
        if abs(count * stride / full - 1.0) > STRETCH:
            raise ValueError(
                f"prior: {info.name} was trained for {full} views on a full turn: no multiple of {count} is near it"
            )
        if count * stride != full:
            warnings.append(
                f"prior {info.name} was trained on {full} views per full turn; {count} measured views are completed to "
                f"{count * stride}, so its views are {count * stride / full:.3f} times as dense as it has learnt"
            )
        for text in warnings:
            problem.monitor.warn(text)
        # Only a parallel beam's half turn counts more views than were measured.
        mirrored = geometry.views != count
        order, flipped = _by_direction(geometry.angles, mirrored)
        angles = equispaced(count * stride, start=geometry.angles[0])
        # Only its FBP is used: no matrix has to be stored.
        device = problem.projections.data.device
        operator = make_operator(geometry.with_views(angles), problem.grid, device, memory_limit=0)
        return Turn(order, flipped, stride, count * stride, operator, mirrored)

    def rows(self, data: Tensor) -> Tensor:
        """The measured rows of the turn, in order, `[slice, measured row, column]`."""
        rows = data[:, list(self.order)]
        for row, flipped in enumerate(self.flipped):
            if flipped:
                rows[:, row] = rows[:, row].flip(1)
        return torch.cat([rows, rows.flip(2)], dim=1) if self.mirrored else rows


def _by_direction(angles: Sequence[float], half_turn: bool) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """The views in the order of the turn, from the first one on, and which of them look from the other side.

    Parallel beams of half a turn may come from anywhere: a view half a turn away is the same lines, read backwards.
    """
    place = []
    for view, angle in enumerate(angles):
        on = (angle - angles[0]) % FULL_TURN
        halves = math.floor(on / math.pi + 1e-9) if half_turn else 0
        place.append((on - halves * math.pi, view, halves == 1))
    place.sort()
    return tuple(view for _, view, _ in place), tuple(flipped for _, _, flipped in place)


def fill_in(
    problem: Problem,
    parameters: SinogramParameters,
    stages: Callable[[int, int, int], list[Stage]],
) -> tuple[Turn, Tensor]:
    """The full turn and its line integrals `[slice, view, column]`, the measured rows as they were measured.

    Args:
        problem: the measurement and the prior.
        parameters: the sampler's.
        stages: (rows of the turn, stride of the measured rows, stride of the subset that the prior's sparse-view model
            was trained on) -> what acts at each level.

    Raises:
        ValueError: no prior, or one for another scan.
        FloatingPointError: the state stopped being finite.
    """
    prior = sinogram_prior(problem)
    turn = Turn.of(problem, prior)
    rows = turn.rows(problem.projections.data)
    largest = prior.info.window[1]
    scaled = rows / largest

    def measured(x: Tensor) -> Tensor:
        out = x.clone()
        out[:, :: turn.stride] = scaled
        return out

    def preview(x: Tensor) -> Tensor:
        return turn.operator.fbp(x * largest)

    start = (interpolate_turn if parameters.start == "fourier" else interpolate_linear)(scaled, turn.stride)
    levels = Levels(
        geometric(parameters.sigma_start, parameters.sigma_end, parameters.steps),
        parameters.rule, parameters.noisy, parameters.corrector, parameters.snr, parameters.eta,
    )  # fmt: skip
    chosen = shown_as_trained(stages(turn.views, turn.stride, int(prior.info.scan.get("subset", SUBSET))), prior)
    # A stage whose rows are all measured would change nothing.
    chosen = [stage for stage in chosen if not all(_measured(rows, turn.stride) for rows in stage.rows)]
    x = sample_sinogram(
        measured(start),
        measured,
        prior,
        chosen,
        levels,
        problem.noise,
        problem.monitor,
        preview,
    )
    full = x * largest
    # Scaling there and back rounds: what was measured is put in as it was measured.
    full[:, :: turn.stride] = rows
    return turn, full


def reconstruct(
    problem: Problem,
    parameters: SinogramParameters,
    stages: Callable[[int, int, int], list[Stage]],
) -> Tensor:
    """FBP in 1/mm of the sinogram that `fill_in` completes, brought back to the measured views."""
    turn, full = fill_in(problem, parameters, stages)
    with problem.monitor.timed("projector"):
        mu = turn.operator.fbp(full, parameters.window)
    return agreed(problem, mu, parameters)


def sinogram_prior(problem: Problem) -> Prior:
    """The problem's prior, if it is one of sinograms.

    Raises:
        ValueError: there is none, or it is one of something else.
    """
    if problem.prior is None or kind_of(problem.prior.info) != SINOGRAM:
        raise ValueError("prior: this method needs a denoiser of sinograms")
    return cast(Prior, problem.prior)


def shown_as_trained(stages: list[Stage], prior: Prior) -> list[Stage]:
    """The stages with the sparse-view model's rows among zeros, if it was trained to see them so."""
    zeros = prior.info.scan.get("subset_input") == ZERO_FILLED
    return [replace(stage, among_zeros=zeros and stage.label == 1) for stage in stages]


def _measured(rows: slice, stride: int) -> bool:
    return (rows.start or 0) % stride == 0 and (rows.step or 1) % stride == 0


def every_row(high: bool = False) -> Stage:
    """The full-view model on all rows."""
    return Stage(0, (slice(None),), high)


def subset(views: int, stride: int, wanted: int = SUBSET, all_offsets: bool = False) -> Stage:
    """The sparse-view model on every k-th row, k the divisor of the turn nearest to `wanted`, the measured ones among
    them where k divides their stride; or on every offset of them."""
    k = min((d for d in range(1, views + 1) if views % d == 0), key=lambda d: (abs(math.log(d / wanted)), stride % d))
    return Stage(1, tuple(slice(offset, None, k) for offset in range(k if all_offsets else 1)))
