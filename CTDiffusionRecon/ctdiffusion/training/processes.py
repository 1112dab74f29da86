"""Training in several processes: who goes first, and what all must agree on. One process needs none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

# Making caches of a large collection takes the first process hours, while the others wait.
PATIENCE = timedelta(hours=12)


def rank() -> int:
    """Number of this process, 0 for the first or only one."""
    return int(os.environ.get("RANK", "0"))


def join() -> int:
    """Join the group that `torchrun` announces through the environment; returns the number of processes."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(device())
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return processes


def device() -> torch.device:
    """Where this process trains."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process runs the block while the others wait; then they run it, and find what it has written."""
    if join() == 1:
        yield
        return
    if rank() > 0:
        distributed.barrier()
    yield
    if rank() == 0:
        distributed.barrier()


def agreed(value: float) -> float:
    """The first process's value, in all of them: clocks differ, and processes that part ways wait for ever."""
    if join() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device())
    distributed.broadcast(shared, 0)
    return float(shared)
