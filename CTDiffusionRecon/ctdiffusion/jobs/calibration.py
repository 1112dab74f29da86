"""Measure, in a few seconds, how fast this computer projects and evaluates a prior; for `estimate`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

from ..core import atomic
from ..core.folders import cache_folder
from ..core.strictjson import read_object
from ..operators.base import LinearOperator
from ..operators.factory import make_operator
from ..priors.kinds import load_any
from ..priors.packs.pack import locate_pack
from ..priors.restorer import Restorer
from ..scan.beams import Grid, equispaced
from ..scan.machines import default_geometry
from .estimate import CUDA, FILE, Speed, ray_samples, speed_values
from .folder import to_json

_STACK = Grid((8, 192, 192), (2.0, 1.5, 1.5))
_SMALL = Grid((1, 16, 16), (1.0, 1.0, 1.0))
_CONE = Grid((24, 64, 64), (2.0, 2.0, 2.0))
_VIEWS = 30
_PIXELS = 128
_LEAST_S = 0.3


def calibrate(device: torch.device, prior: str | None) -> Speed:
    """Measure the speed of a device and keep it for `estimate.read_speed`.

    Args:
        device: where to measure.
        prior: name or folder of the prior pack to time; None for none.

    Raises:
        ValueError: there is no such pack.
    """
    guess = CUDA if device.type == "cuda" else Speed()
    angles = equispaced(_VIEWS)
    fan = default_geometry("fan", angles, _STACK)
    # Once for nothing: compiled parts are loaded, or compiled, at their first call.
    make_operator(default_geometry("fan", angles, _SMALL), _SMALL, device)
    started = time.perf_counter()
    operator = make_operator(fan, _STACK, device)
    build = time.perf_counter() - started
    sample_ns, voxel_ns = _pair(operator, _STACK, ray_samples(fan, _STACK), device)
    cone = default_geometry("cone", angles, _CONE)
    cone_ns, _ = _pair(make_operator(cone, _CONE, device), _CONE, ray_samples(cone, _CONE), device)
    network_ns, batch = dict(_known(device.type)), guess.batch
    if prior is not None:
        name, seconds, batch = _network(prior, device)
        network_ns[name] = 1e9 * seconds
    speed = Speed(
        device=device.type,
        sample_ns=sample_ns,
        build_ns=1e9 * build * _STACK.shape[0] / ray_samples(fan, _STACK),
        cone_ns=cone_ns,
        voxel_ns=voxel_ns,
        network_ns=network_ns or guess.network_ns,
        network_bytes=guess.network_bytes,
        batch=batch,
        start_s=guess.start_s,
        base_bytes=guess.base_bytes,
        measured=True,
    )
    _keep(speed)
    return speed


def _pair(operator: LinearOperator, grid: Grid, samples: float, device: torch.device) -> tuple[float, float]:
    """ns of a forward and a back-projection for a sample, and of an iteration's other work for a voxel."""
    x = torch.full(grid.shape, 0.02, device=device)
    pair = _seconds(lambda: operator.adjoint(operator.forward(x)), device)
    other = _seconds(lambda: (x + 0.5 * (x - 0.1 * x).clamp(min=0.0)).double().norm(), device)
    # An iteration of a solver or sampler makes a few such passes.
    return 1e9 * pair / samples, 4e9 * other / math.prod(grid.shape)


def _network(prior: str, device: torch.device) -> tuple[str, float, int]:
    """Name of a pack, seconds of its evaluation for a pixel, slices that it takes at once."""
    loaded = load_any(locate_pack(prior), device)
    x = torch.rand((loaded.batch, _PIXELS, _PIXELS), generator=torch.Generator().manual_seed(0)).to(device)

    def evaluate() -> Tensor:
        return loaded.restore(x, 0.0) if isinstance(loaded, Restorer) else loaded.predict_x0(x, 0.1, 1.5)

    return loaded.info.name, _seconds(evaluate, device) / x.numel(), loaded.batch


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call, after one to warm up: the mean over a third of a second."""
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    count, started = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - started < _LEAST_S:
        call()
        count += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return (time.perf_counter() - started) / count


def _known(device: str) -> dict[str, float]:
    """Speeds of other priors, measured before."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return {str(k): float(v) for k, v in read_object(cache_folder() / FILE)[device]["network_ns"].items()}
    return {}


def _keep(speed: Speed) -> None:
    """Write the file; a computer where that cannot be done is measured again next time."""
    path = cache_folder() / FILE
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {}
        with suppress(ValueError, OSError):
            values = read_object(path)
        atomic.write_bytes(path, to_json({**values, speed.device: speed_values(speed)}))
