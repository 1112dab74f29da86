"""The common loop of all Gaussian samplers: denoise, agree with the data, step to the next noise level."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..core.monitor import Monitor
from .noise_policy import NoisePolicy
from .slice_policy import Denoise
from .transition import Transition


def sample(
    start: Tensor,
    sigmas: Sequence[float],
    denoise: Denoise,
    agree: Callable[[Tensor, float], Tensor],
    transition: Transition,
    noise: NoisePolicy,
    monitor: Monitor,
    preview: Callable[[Tensor], Tensor],
    carried: dict[str, Tensor] | None = None,
) -> Tensor:
    """Run a sampler and return its last estimate, in the prior's range.

    The state at every level is x = x0 + sigma n. Noise of step k is `noise.normal(k, ...)`, the first one (k = 0)
    perturbs `start`; so an interrupted run that goes on from `monitor.saved_state()` gives the same answer.

    Args:
        start: initial estimate `[slice, row, column]`.
        sigmas: decreasing noise levels; each costs one evaluation of the prior.
        denoise: (x, sigma, step) -> Tweedie estimate of x0.
        agree: (x0, sigma) -> x0 after data consistency.
        transition: (x0, predicted noise, fresh noise, sigma, next sigma) -> next state.
        preview: x0 -> attenuation volume for display.
        carried: what `agree` keeps from one level to the next; saved and restored with the state.

    Raises:
        Cancelled: through the monitor.
        FloatingPointError: the state stopped being finite.
    """
    shape = (start.shape[0], start.shape[1], start.shape[2])
    saved = monitor.saved_state()
    if saved is None:
        first, x = 0, start + sigmas[0] * noise.normal(0, shape, start.device)
    else:
        first, tensors = saved[0], {name: value.to(start.device) for name, value in saved[1].items()}
        x = tensors.pop("x")
        if carried is not None:
            carried.update(tensors)
    total = len(sigmas)
    for step in range(first, total):
        sigma = sigmas[step]
        with monitor.timed("network"):
            tweedie = denoise(x, sigma, step)
        predicted = (x - tweedie) / sigma
        with monitor.timed("projector"):
            x0 = agree(tweedie, sigma)
        if not bool(torch.isfinite(x0).all()):
            raise FloatingPointError(f"the reconstruction stopped being finite at step {step + 1} (sigma {sigma:g})")
        if step + 1 < total:
            x = transition(x0, predicted, noise.normal(step + 1, shape, start.device), sigma, sigmas[step + 1])
            monitor.save_state(step + 1, {"x": x, **(carried or {})})
        monitor.step("sampling", step + 1, total, preview(x0))
    return x0
