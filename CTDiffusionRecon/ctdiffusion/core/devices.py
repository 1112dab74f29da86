"""Which device computes, and why."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import torch

from .heap import keep_freed_memory


@dataclass(frozen=True)
class DeviceChoice:
    """A device with the reason it was taken, as one phrase."""

    device: torch.device
    reason: str


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on the host or on an accelerator."""
    # torch.OutOfMemoryError is its name from torch 2.5 on.
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("not enough memory", "can't allocate memory", "out of memory")
    )


def why_no_cuda() -> str | None:
    """Why CUDA cannot be used, or None where it can."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) is built without CUDA"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    if not torch.cuda.is_available():
        return f"torch (CUDA {torch.version.cuda}) finds no usable GPU or driver"
    major, minor = torch.cuda.get_device_capability()
    name = f"sm_{major}{minor}"
    built = torch.cuda.get_arch_list()
    if not any(_runs(arch, major, minor) for arch in built):
        return f"the GPU ({name}) is newer or older than this torch was built for ({', '.join(built)})"
    return None


def _runs(arch: str, major: int, minor: int) -> bool:
    """Whether code that was built for `arch` runs on a GPU of this compute capability."""
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", arch)
    if found is None:
        return False
    built = (int(found[2]), int(found[3]))
    if found[4] == "a":
        return built == (major, minor)
    # Binary code runs on the same major version from its minor one on; PTX is compiled for whatever is newer.
    return built <= (major, minor) and (found[1] == "compute" or built[0] == major)


def resolve(name: str) -> DeviceChoice:
    """The device for auto, cpu or cuda.

    Raises:
        ValueError: cuda was asked for and cannot be used, or an unknown name.
    """
    # Whoever asks is about to compute: memory that is freed from now on will be wanted again.
    keep_freed_memory()
    if name == "cpu":
        return DeviceChoice(torch.device("cpu"), "CPU was asked for")
    if name not in ("auto", "cuda"):
        raise ValueError(f"device: must be one of auto, cpu, cuda, got {name!r}")
    reason = why_no_cuda()
    if reason is None:
        return DeviceChoice(torch.device("cuda"), torch.cuda.get_device_name())
    if name == "cuda":
        raise ValueError(f"device: cuda was asked for, but {reason}")
    return DeviceChoice(torch.device("cpu"), reason)


def describe() -> dict[str, Any]:
    """Facts for the device line of a front end and for provenance; memory in bytes."""
    reason = why_no_cuda()
    facts: dict[str, Any] = {
        "torch": torch.__version__,
        "cuda_build": torch.version.cuda,
        "cpu_threads": torch.get_num_threads(),
        "gpu": None,
        "gpu_free_bytes": None,
        "gpu_total_bytes": None,
        "auto": "cuda" if reason is None else "cpu",
        "reason": reason,
    }
    if reason is None:
        free, total = torch.cuda.mem_get_info()
        facts |= {"gpu": torch.cuda.get_device_name(), "gpu_free_bytes": free, "gpu_total_bytes": total}
    return facts
