"""The training loop: EMA, cosine schedule, exact resume, one process or `torchrun` unchanged.

Needs torch and numpy only, so that a bare GPU machine can train from a cache.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, Subset

from .log import TrainingLog
from .processes import agreed, join
from .processes import device as this_device
from .processes import rank as this_rank

Batch = dict[str, Tensor]
LossFunction = Callable[[nn.Module, Batch, torch.Generator], Tensor]
# (model, network, averaged state, generator) -> the loss of a second optimiser step. Gradients run through the model,
# which is the network or wraps it for several processes; the averaged state is the network's.
SecondLoss = Callable[[nn.Module, nn.Module, Mapping[str, Tensor], torch.Generator], Tensor]


@dataclass(frozen=True)
class LoopSettings:
    """How to train. `minutes` (0: no limit) shortens the cosine schedule so that it ends with the time."""

    steps: int
    batch: int = 16
    learning_rate: float = 6e-4
    weight_decay: float = 1e-4
    warmup: int = 200
    ema_decay: float = 0.999
    minutes: float = 0.0
    checkpoint_minutes: float = 3.0
    workers: int = 0
    seed: int = 0
    second_from: float = 0.5


class Averager:
    """Exponential moving average of a network's state with a warm-up, min(decay, (1 + n) / (10 + n))."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        weight = 1.0 - min(self.decay, (1.0 + step) / (10.0 + step))
        for name, value in network.state_dict().items():
            self.state[name].lerp_(value, weight)


def train(
    network: nn.Module,
    dataset: Dataset[Batch],
    loss_function: LossFunction,
    settings: LoopSettings,
    folder: Path,
    resume: bool = False,
    report: Callable[[str], None] = print,
    second: SecondLoss | None = None,
) -> dict[str, Tensor]:
    """Train `network` in place and return its averaged state.

    Example `i` of the data set is used exactly once, at step `i // (batch * processes)`; together with the saved
    generator state that makes an interrupted and resumed run equal to an unbroken one on the CPU.

    Args:
        dataset: at least steps x batch x processes examples, each a function of its index.
        loss_function: (network, batch, generator) -> scalar loss.
        folder: holds `checkpoint.pt` and `log.csv`.
        resume: go on from `folder/checkpoint.pt`.
        second: loss of an optimiser step of its own after each of the first, once `settings.second_from` of the
            schedule is over.

    Raises:
        FileNotFoundError: resume without a checkpoint.
    """
    processes, rank, device = join(), this_rank(), this_device()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    averager = Averager(network, settings.ema_decay)
    generator = torch.Generator(device).manual_seed(settings.seed + rank)
    step, elapsed = 0, 0.0
    path = folder / "checkpoint.pt"
    folder.mkdir(parents=True, exist_ok=True)
    if resume:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        averager.state = {name: value.to(device) for name, value in saved["average"].items()}
        step, elapsed = int(saved["step"]), float(saved["elapsed"])
        if rank == 0:
            generator.set_state(saved["generator"])
        else:
            # Only the first process's generator is saved; noise of its own is what the others need.
            generator.manual_seed(settings.seed + rank + step * processes)
    model: nn.Module = DistributedDataParallel(network) if processes > 1 else network
    network.train()
    log = TrainingLog(folder) if rank == 0 else None

    started = saved_at = time.monotonic()
    running = math.nan
    batches = _batches(dataset, settings, step, rank, processes)
    while True:
        now = time.monotonic()
        spent = elapsed + now - started
        progress = max(step / settings.steps, spent / (60.0 * settings.minutes) if settings.minutes else 0.0)
        progress = agreed(progress)
        if progress >= 1.0:
            break
        warm = min(1.0, (step + 1) / settings.warmup)
        rate = settings.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * progress))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = {name: value.to(device, non_blocking=True) for name, value in next(batches).items()}
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            loss = loss_function(model, batch, generator)
        _descend(network, optimiser, loss)
        if second is not None and progress >= settings.second_from:
            with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
                following = second(model, network, averager.state, generator)
            _descend(network, optimiser, following)
        averager.update(network, step)
        step += 1
        value = float(loss.detach())
        running = value if math.isnan(running) else 0.98 * running + 0.02 * value
        if log is not None and step % 100 == 0:
            log.write(step, spent, running, rate)
            report(f"step {step}  {spent / 60:.1f} min  loss {running:.4f}  rate {rate:.2e}")
        if rank == 0 and now - saved_at > 60.0 * settings.checkpoint_minutes:
            _save(path, network, optimiser, averager, step, spent, generator)
            saved_at = now
    if rank == 0:
        _save(path, network, optimiser, averager, step, elapsed + time.monotonic() - started, generator)
    return {name: value.cpu() for name, value in averager.state.items()}


def _descend(network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()


def _batches(
    dataset: Dataset[Batch], settings: LoopSettings, step: int, rank: int, processes: int
) -> Iterator[Batch]:
    """Batches from `step` on; process `rank` takes every `processes`-th example."""
    first = step * settings.batch * processes + rank
    count = (settings.steps - step) * settings.batch
    indices = range(first, first + count * processes, processes)
    loader = DataLoader(
        Subset(dataset, indices),
        batch_size=settings.batch,
        num_workers=settings.workers,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def _save(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    averager: Averager,
    step: int,
    elapsed: float,
    generator: torch.Generator,
) -> None:
    """Write the checkpoint beside the old one and swap them, so that a kill leaves one of the two whole."""
    content: dict[str, Any] = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": averager.state,
        "step": step,
        "elapsed": elapsed,
        "generator": generator.get_state(),
    }
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)
