"""Cold diffusion over view counts: the update between degradations, sequential sampling and SPDPS.

Source: Bansal et al. 2022 (arXiv:2208.09392), algorithm 2; Chen et al. 2025 (arXiv:2508.10313), section 2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..core.monitor import Monitor

# x -> R(x, t) for the slices of one level t.
Restore = Callable[[Tensor, int], Tensor]
# (x0, t) -> D_t(x0).
Degrade = Callable[[Tensor, int], Tensor]


def cold_update(x: Tensor, x0: Tensor, t: int, s: int, degrade: Degrade) -> Tensor:
    """x - D_t(x0) + D_s(x0): the state at level s, in which an error of x0 largely cancels."""
    return x - degrade(x0, t) + degrade(x0, s)


def sequential(
    x: Tensor, start: int, restore: Restore, degrade: Degrade, monitor: Monitor, preview: Callable[[Tensor], Tensor]
) -> Tensor:
    """Restore at every level from `start` to 0; returns the last estimate."""
    saved = monitor.saved_state()
    done, x = (saved[0], saved[1]["x"].to(x.device)) if saved else (0, x)
    x0 = x
    for t in range(start - done, -1, -1):
        x0 = restore(x, t)
        if t:
            x = cold_update(x, x0, t, t - 1, degrade)
            monitor.save_state(start - t + 1, {"x": x})
        monitor.step("sampling", start - t + 1, start + 1, preview(x0))
    return x0


@dataclass
class _Slice:
    """Where SPDPS stands with one slice; `previous` is what it compares the next estimate with."""

    t: int
    budget: int
    detail: bool = False
    done: bool = False
    previous: Tensor | None = None


def dual_phase(
    x_in: Tensor,
    start: int,
    budget: int,
    refine: int,
    threshold: float,
    restore: Restore,
    degrade: Degrade,
    visible: Callable[[Tensor], Tensor],
    monitor: Monitor,
    preview: Callable[[Tensor], Tensor],
) -> Tensor:
    """Semantic-prioritised dual-phase sampling (SPDPS), every slice on its own.

    Phase 1 goes down level by level while the estimate still changes (SSIM below `threshold` against the one before);
    where it has settled a unit of the budget is spent on starting again below `start` from the better estimate; the
    last unit opens phase 2, the levels refine - 1 to 0. Bounded, which the released code is not: a slice that has not
    settled at level 0 goes on to phase 2, and no level below 0 is ever asked for. So there are at most
    budget (start + 1) + refine restorations.

    Args:
        x_in: images of the measurement `[slice, row, column]`.
        start: their level.
        budget: units of phase 1.
        refine: levels of phase 2; at most `start` of them are used.
        threshold: of the SSIM.
        restore, degrade: the network and the degradations, by level.
        visible: image -> the display window [0, 1] in which the SSIM is taken.
        preview: estimates -> attenuation volume for display.

    Returns:
        The estimates.
    """
    count = x_in.shape[0]
    refine = max(1, min(refine, start))
    most = budget * (start + 1) + refine
    x, x0 = x_in.clone(), x_in.clone()
    slices = [_Slice(start, budget) for _ in range(count)]
    rounds = 0
    if (saved := monitor.saved_state()) is not None:
        rounds, tensors = saved
        x, x0 = tensors["x"].to(x_in.device), tensors["x0"].to(x_in.device)
        slices = _unpacked(tensors["slices"], tensors["previous"].to(x_in.device))
    while active := [k for k in range(count) if not slices[k].done]:
        for t in sorted({slices[k].t for k in active}):
            members = [k for k in active if slices[k].t == t]
            x0[members] = restore(x[members], t)
        # (from the measurement?, level of the state, next level) -> slices that make this move together.
        moves: dict[tuple[bool, int, int], list[int]] = {}
        for k in active:
            move = _next(slices[k], x0[k], start, refine, threshold, visible)
            slices[k].done = move is None
            if move is not None:
                moves.setdefault(move, []).append(k)
        for (again, t, s), members in moves.items():
            origin = x_in if again else x
            x[members] = cold_update(origin[members], x0[members], t, s, degrade)
            for k in members:
                slices[k].t = s
        rounds += 1
        if moves:
            numbers, previous = _packed(slices, x0)
            monitor.save_state(rounds, {"x": x, "x0": x0, "slices": numbers, "previous": previous})
        monitor.step("sampling", rounds if moves else most, most, preview(x0))
    return x0


def _next(
    state: _Slice, x0: Tensor, start: int, refine: int, threshold: float, visible: Callable[[Tensor], Tensor]
) -> tuple[bool, int, int] | None:
    """The slice's move after an estimate, or None where it is finished."""
    t = state.t
    if state.detail:
        return (False, t, t - 1) if t > 0 else None
    shown = visible(x0)
    changing = state.previous is None or float(similarity(shown, state.previous)) < threshold
    if changing and t > 0:
        state.previous = shown
        return False, t, t - 1
    state.budget -= 1
    if state.budget <= 0 or t == 0:
        state.detail = True
        # From level 0 there is no way down: phase 2 begins from the measurement.
        return (True, start, refine - 1) if t == 0 else (False, t, refine - 1)
    state.previous = None
    return True, start, start - 1


def _packed(slices: list[_Slice], like: Tensor) -> tuple[Tensor, Tensor]:
    """The slices' states as tensors, for a file."""
    numbers = [[s.t, s.budget, int(s.detail), int(s.done), int(s.previous is not None)] for s in slices]
    previous = torch.zeros_like(like)
    for k, state in enumerate(slices):
        if state.previous is not None:
            previous[k] = state.previous
    return torch.tensor(numbers, dtype=torch.int64), previous


def _unpacked(numbers: Tensor, previous: Tensor) -> list[_Slice]:
    rows = [[int(v) for v in row] for row in numbers]
    return [
        _Slice(t, budget, bool(detail), bool(done), previous[k] if there else None)
        for k, (t, budget, detail, done, there) in enumerate(rows)
    ]


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of two images `[row, column]` in [0, 1] (Gaussian window of 11 pixels or what fits, 1.5 wide).

    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861, eq. 13.
    """
    size = min(11, *x.shape)
    place = torch.arange(size, device=x.device, dtype=x.dtype) - 0.5 * (size - 1)
    weights = torch.exp(-0.5 * (place / 1.5) ** 2)
    weights = weights / weights.sum()
    stack = torch.stack([x, y, x * x, y * y, x * y])[:, None]
    stack = functional.conv2d(functional.conv2d(stack, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    a, b, aa, bb, ab = stack[:, 0]
    c1, c2 = 0.01**2, 0.03**2
    top = (2.0 * a * b + c1) * (2.0 * (ab - a * b) + c2)
    bottom = (a * a + b * b + c1) * (aa - a * a + bb - b * b + c2)
    found: Tensor = (top / bottom).mean()
    return found
