"""Total-variation reconstruction, with a given regularisation weight or one that the noise level decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .primal_dual import PrimalDual
from .tv_objective import TVObjective

# The weight is adjusted this often, from the moment the data fit has settled after the start, until this share of the
# iterations is spent; the rest converge with it unchanged.
ADJUST_EVERY = 20
ADJUST_FROM = 60
ADJUST_SHARE = 0.6
# Limits of the slope of log chi2 over log lambda, which is small where the model is rich and noisy while x moves, of
# one adjustment and of all: a target out of reach must not drive lambda to 0 or infinity.
ADJUST_SLOPES = (0.3, 2.0)
ADJUST_STEP = 1.0
ADJUST_REACH = math.log(100.0)
# A slice may finish before that if its fit is as near to the target as this.
ADJUST_CLOSE = 0.01
# From an empty start the first step changes nothing, because the duals are still zero: no reason to stop.
LEAST_ITERATIONS = 20
# The callback sees the image this often.
SHOW_EVERY = 10


@dataclass(frozen=True)
class TVResult:
    """What total variation found.

    Attributes:
        image: `[slice, row, column]` in 1/mm.
        strength: lambda of every problem, `[slice]`, or `[1]` where the slices are coupled.
        iterations: how many each problem took.
        chi2: mean of W (A x - y)^2 of each.
    """

    image: Tensor
    strength: Tensor
    iterations: Tensor
    chi2: Tensor


def total_variation(
    objective: TVObjective,
    start: Tensor,
    strength: Tensor | float,
    iterations: int = 300,
    tolerance: float = 0.0,
    target: float | None = None,
    callback: Callable[[int, Tensor], None] | None = None,
) -> TVResult:
    """Minimise the objective by `PrimalDual`; a problem that has converged leaves the iteration.

    Args:
        objective: the problem; independent slices are solved each for itself, whatever their neighbours.
        start: first image, `[slice, row, column]` in 1/mm.
        strength: lambda, a number or `[slice]` (`[1]` where the slices are coupled).
        iterations: at most so many, each of one forward and one back-projection.
        tolerance: relative change of the image per iteration below which a problem is finished; 0 never is.
        target: where given, lambda is adjusted until the mean of W (A x - y)^2 is this (discrepancy principle, Morozov
            1966), `strength` being only where it begins.
        callback: called after every iteration with the number done and the image so far.

    Raises:
        ValueError: a negative or non-finite strength, count or tolerance, a target that is not positive, or no weights
            with a target.
    """
    problems = start.shape[0] if objective.batch_dims else 1
    first = torch.as_tensor(strength, dtype=start.dtype, device=start.device).expand(problems).reshape(-1, 1, 1)
    if not bool((torch.isfinite(first) & (first >= 0)).all()):
        raise ValueError(f"strength must be finite and not negative, got {strength!r}")
    if iterations < 1 or not tolerance >= 0:
        raise ValueError(f"iterations must be positive and tolerance not negative, got {iterations} and {tolerance}")
    if target is not None and (not target > 0 or objective.weights is None):
        raise ValueError(f"target must be positive and needs weights, got {target!r}")
    state = PrimalDual(objective, start)
    active = torch.arange(problems, device=start.device)
    out = TVResult(
        state.x.clone(), first.flatten().clone(), torch.full_like(active, iterations), torch.zeros_like(first).flatten()
    )
    secant = None if target is None else _Secant(target, out.strength)
    settled = int(ADJUST_SHARE * iterations)
    for step in range(1, iterations + 1):
        current = out.strength[active].reshape(-1, 1, 1)
        state.iterate(current)
        if secant is not None and ADJUST_FROM <= step <= settled and step % ADJUST_EVERY == 0:
            out.strength[active] = secant.next(out.strength[active], state.chi2.flatten(), active)
        finished = (state.change < tolerance).flatten() & (step >= LEAST_ITERATIONS)
        if target is not None and step < settled:
            finished &= ((state.chi2 / target - 1.0).abs() < ADJUST_CLOSE).flatten()
        done = step == iterations or bool(finished.all())
        if done or bool(finished.any()) or step % SHOW_EVERY == 0:
            _store(out, state, active, objective.batch_dims)
        out.iterations[active[finished]] = step
        if callback is not None:
            callback(iterations if done else step, out.image)
        if done:
            break
        if bool(finished.any()):
            going = (~finished).nonzero().flatten()
            state.keep(going)
            active = active[going]
    return out


class _Secant:
    """Finds log lambda at which log chi2 is the target's; the slope between them is that of the last two points."""

    def __init__(self, target: float, first: Tensor) -> None:
        self._target = target
        self._first = first.log()
        self._last_strength = self._first.clone()
        self._last_chi2 = torch.full_like(first, torch.nan)

    def next(self, strength: Tensor, chi2: Tensor, active: Tensor) -> Tensor:
        """The lambda to go on with, from what the present one gave."""
        here, c = strength.log(), chi2.clamp(min=1e-12).log()
        slope = (c - self._last_chi2[active]) / (here - self._last_strength[active])
        slope = torch.nan_to_num(slope, nan=1.0, posinf=1.0, neginf=1.0).clamp(*ADJUST_SLOPES)
        self._last_strength[active], self._last_chi2[active] = here, c
        wanted = here + ((math.log(self._target) - c) / slope).clamp(-ADJUST_STEP, ADJUST_STEP)
        first = self._first[active]
        return torch.minimum(torch.maximum(wanted, first - ADJUST_REACH), first + ADJUST_REACH).exp()


def _store(out: TVResult, state: PrimalDual, active: Tensor, batch_dims: int) -> None:
    if batch_dims:
        out.image[active] = state.x
    else:
        out.image.copy_(state.x)
    out.chi2[active] = state.chi2.flatten()
