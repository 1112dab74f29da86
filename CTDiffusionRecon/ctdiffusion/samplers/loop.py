"""The common loop of all Gaussian samplers: levels, resuming, progress. What happens at a level is a `Step`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .context import Context, Step, levels


def sample(
    start: Tensor, sigmas: Sequence[float], step: Step, context: Context, preview: Callable[[Tensor], Tensor]
) -> Tensor:
    """Run a sampler and return its last estimate, in the prior's range.

    The state at every level is x = x0 + sigma n. Noise number 0 perturbs `start`, number k + 1 belongs to level k; so
    an interrupted run that goes on from `monitor.saved_state()` gives the same answer.

    Args:
        start: initial estimate `[slice, row, column]`.
        sigmas: falling noise levels.
        step: what happens at each of them (`steps/`).
        context: the prior, the data and the noise that the step puts together.
        preview: x0 -> attenuation volume for display.

    Raises:
        Cancelled: through the monitor.
        FloatingPointError: the state stopped being finite.
    """
    monitor, total = context.monitor, len(sigmas)
    saved = monitor.saved_state()
    if saved is None:
        done = 0
        x = start + sigmas[0] * context.fresh.normal(0, (start.shape[0], start.shape[1], start.shape[2]), start.device)
    else:
        done, tensors = saved[0], {name: value.to(start.device) for name, value in saved[1].items()}
        x = tensors.pop("x")
        context.memory.update(tensors)
    x0 = x
    for level in levels(sigmas):
        if level.index < done:
            continue
        x, x0 = step(context, x, level)
        if not (bool(torch.isfinite(x0).all()) and bool(torch.isfinite(x).all())):
            raise FloatingPointError(
                f"the reconstruction stopped being finite at step {level.index + 1} (sigma {level.sigma:g})"
            )
        if level.after:
            monitor.save_state(level.index + 1, {"x": x, **context.memory})
        monitor.step("sampling", level.index + 1, total, preview(x0))
    return x0
