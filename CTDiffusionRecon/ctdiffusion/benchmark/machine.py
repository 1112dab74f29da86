"""The machine by its kind: enough to judge times by, nothing that tells whose it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch


def machine_facts(device: torch.device) -> dict[str, Any]:
    """Kind of processor or GPU, threads, versions, and the load before the run."""
    cores = f"{platform.machine()} CPU, {os.cpu_count()} cores"
    kind = f"{torch.cuda.get_device_name(device)}, {cores}" if device.type == "cuda" else cores
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else None
    return {
        "kind": kind,
        "system": platform.system(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": _version("numba"),
        "load": load,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
