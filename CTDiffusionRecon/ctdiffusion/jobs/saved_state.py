"""The saved state of a job as bytes, with a checksum over all that they say."""

from __future__ import annotations

import hashlib
from typing import IO

import torch
from torch import Tensor

from ..core.safetensorsbytes import read_parts, tensors_in

# Beyond this nothing that was saved here can be; the size is known before anything is read.
LARGEST_STATE = 1 << 36


def state_bytes(step: int, tensors: dict[str, Tensor], digest: str) -> bytes:
    """The state after `step` steps of the job with `digest`, in the format safetensors."""
    from safetensors.torch import save

    on_cpu = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    facts = {"step": str(step), "job": digest}
    return save(on_cpu, metadata={**facts, "sha256": _checksum(facts, on_cpu)})


def read_state(file: IO[bytes], digest: str) -> tuple[int, dict[str, Tensor]]:
    """Step and tensors of the job with `digest`.

    Raises:
        ValueError: damaged (one flipped bit is enough), or the state of another job.
        OSError: it cannot be read.
    """
    try:
        facts, tensors = tensors_in(*read_parts(file, LARGEST_STATE))
        checksum = facts.pop("sha256", "")
        step = int(facts["step"])
        if checksum != _checksum(facts, tensors):
            raise ValueError("checksum")
    except (KeyError, ValueError, MemoryError):
        raise ValueError("the saved state is damaged") from None
    if facts.get("job") != digest:
        raise ValueError("the saved state belongs to another specification, input or prior")
    return step, tensors


def _checksum(facts: dict[str, str], tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    total = hashlib.sha256(repr(sorted(facts.items())).encode())
    for name, tensor in sorted(tensors.items()):
        total.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
