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

from .averages import Averager, Judge, best
from .checkpoint import load_checkpoint, save_checkpoint
from .log import TrainingLog
from .processes import agreed, join
from .processes import device as this_device
from .processes import rank as this_rank
from .progress import told
from .stopping import Stopped, StopRequest

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
    ema_others: tuple[float, ...] = (0.99, 0.9997)
    minutes: float = 0.0
    checkpoint_minutes: float = 3.0
    report_seconds: float = 2.0
    log_seconds: float = 10.0
    workers: int = 0
    seed: int = 0
    second_from: float = 0.5


# Steps in a row without finite gradients after which there is nothing to hope for.
_DIVERGED = 20


def train(
    network: nn.Module,
    dataset: Dataset[Batch],
    loss_function: LossFunction,
    settings: LoopSettings,
    folder: Path,
    resume: bool = False,
    report: Callable[[str], None] = print,
    second: SecondLoss | None = None,
    look: Callable[[Mapping[str, Tensor]], None] | None = None,
    judge: Judge | None = None,
) -> dict[str, Tensor]:
    """Train `network` in place and return its averaged state.

    Example `i` of the data set is used exactly once, at step `i // (batch * processes)`; together with the saved
    generator state that makes an interrupted and resumed run equal to an unbroken one on the CPU.

    Args:
        dataset: at least steps x batch x processes examples, each a function of its index.
        loss_function: (network, batch, generator) -> scalar loss.
        folder: holds `checkpoint.pt`, the one before it, and `log.csv`.
        resume: go on from the last whole checkpoint in `folder`.
        report: is told how far it is, every few seconds.
        second: loss of an optimiser step of its own after each of the first, once `settings.second_from` of the
            schedule is over.
        look: is given the averaged state after each quarter of the schedule, in the first process.
        judge: error of an averaged state, by which the best of the averages is chosen at the end, in the first process.

    Raises:
        FileNotFoundError: resume without a checkpoint.
        ValueError: checkpoints that are damaged or of another network.
        Stopped: it was asked to stop, and has written a checkpoint.
        RuntimeError: it has diverged; the last checkpoint stays.
    """
    processes, rank, device = join(), this_rank(), this_device()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    averager, *others = (Averager(network, decay) for decay in (settings.ema_decay, *settings.ema_others))
    generator = torch.Generator(device).manual_seed(settings.seed + rank)
    step, elapsed = 0, 0.0
    folder.mkdir(parents=True, exist_ok=True)
    if resume:
        saved, remark = load_checkpoint(folder)
        if remark and rank == 0:
            report(remark)
        try:
            network.load_state_dict(saved["network"])
            optimiser.load_state_dict(saved["optimiser"])
        except (RuntimeError, ValueError):
            raise ValueError(f"resume: the checkpoint in {folder} is of another network") from None
        for each in (averager, *others):
            # Checkpoints of an earlier version hold one average.
            state = saved.get("others", {}).get(f"{each.decay:g}", saved["average"])
            each.state = {name: value.clone().to(device) for name, value in state.items()}
        step, elapsed = int(saved["step"]), float(saved["elapsed"])
        if rank == 0:
            generator.set_state(saved["generator"])
        else:
            # Only the first process's generator is saved; noise of its own is what the others need.
            generator.manual_seed(settings.seed + rank + step * processes)
    model: nn.Module = DistributedDataParallel(network) if processes > 1 else network
    network.train()
    log = TrainingLog(folder, step) if rank == 0 else None

    started = saved_at = time.monotonic()

    def save() -> None:
        nonlocal saved_at
        if rank == 0:
            content: dict[str, Any] = {
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": averager.state,
                "others": {f"{each.decay:g}": each.state for each in others},
                "step": step,
                "elapsed": elapsed + time.monotonic() - started,
                "generator": generator.get_state(),
            }
            save_checkpoint(folder, content)
        saved_at = time.monotonic()

    told_at = logged_at = started - settings.report_seconds
    first, running, refused = step, math.nan, 0
    quarter = -1
    batches = _batches(dataset, settings, step, rank, processes)
    with StopRequest() as stop:
        while True:
            now = time.monotonic()
            spent = elapsed + now - started
            progress = max(step / settings.steps, spent / (60.0 * settings.minutes) if settings.minutes else 0.0)
            progress = agreed(-1.0 if stop.wanted else progress)
            if progress < 0.0:
                save()
                raise Stopped(step)
            if look is not None and rank == 0 and 0 <= quarter < int(4.0 * progress) < 4:
                look(averager.state)
            quarter = int(4.0 * progress)
            if progress >= 1.0:
                break
            warm = min(1.0, (step + 1) / settings.warmup)
            rate = settings.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * progress))
            for group in optimiser.param_groups:
                group["lr"] = rate
            batch = {name: value.to(device, non_blocking=True) for name, value in next(batches).items()}
            with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
                loss = loss_function(model, batch, generator)
            finite = _descend(network, optimiser, loss)
            if second is not None and progress >= settings.second_from:
                with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
                    following = second(model, network, averager.state, generator)
                finite = _descend(network, optimiser, following) and finite
            refused = 0 if finite else refused + 1
            if refused >= _DIVERGED:
                raise RuntimeError(f"training has diverged at step {step}: no finite gradients for {refused} steps")
            for each in (averager, *others):
                each.update(network, step)
            step += 1
            value = float(loss.detach())
            if math.isfinite(value):
                running = value if math.isnan(running) else 0.98 * running + 0.02 * value
            now = time.monotonic()
            if log is not None and now - told_at >= settings.report_seconds:
                spent = elapsed + now - started
                report(told(step, spent, _left(settings, step, step - first, now - started, spent), running, rate))
                told_at = now
                if now - logged_at >= settings.log_seconds:
                    log.write(step, spent, running, rate)
                    logged_at = now
            if now - saved_at > 60.0 * settings.checkpoint_minutes:
                try:
                    save()
                except OSError as error:
                    # A full disk need not end hours of work: the next attempt may find room.
                    saved_at = now
                    report(str(error))
    if log is not None:
        log.write(step, elapsed + time.monotonic() - started, running, 0.0)
    save()
    chosen, found = best([averager, *others], judge if rank == 0 else None)
    if found:
        report(found)
    return {name: value.cpu() for name, value in chosen.state.items()}


def _descend(network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor) -> bool:
    """One optimiser step; without finite gradients none is made, and the answer is False."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    # The same in all processes, whose gradients are averaged.
    finite = bool(torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)))
    if finite:
        optimiser.step()
    return finite


def _left(settings: LoopSettings, step: int, done: int, seconds: float, spent: float) -> float | None:
    """Seconds left: those of the steps at the pace of this run, or those of the time limit if it comes first."""
    by_steps = (settings.steps - step) * seconds / done if done > 0 else None
    if not settings.minutes:
        return by_steps
    by_time = 60.0 * settings.minutes - spent
    return by_time if by_steps is None else min(by_steps, by_time)


def _batches(dataset: Dataset[Batch], settings: LoopSettings, step: int, rank: int, processes: int) -> Iterator[Batch]:
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
