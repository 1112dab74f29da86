"""`ctdiffusion devices`."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def main(args: argparse.Namespace) -> int:
    """Print which device would compute."""
    from ..core import devices

    facts = devices.describe()
    print(json.dumps(facts) if args.json else device_line(facts))
    return 0


def device_line(facts: dict[str, object]) -> str:
    """One line: device, torch, CUDA build, GPU and its free memory, or why it is the CPU."""
    build = f"CUDA {facts['cuda_build']}" if facts["cuda_build"] else "no CUDA"
    line = f"device {facts['auto']} | torch {facts['torch']} ({build}) | {facts['cpu_threads']} CPU threads"
    if facts["gpu"] is None:
        return f"{line} | {facts['reason']}"
    free, total = facts["gpu_free_bytes"], facts["gpu_total_bytes"]
    assert isinstance(free, int) and isinstance(total, int)
    return f"{line} | {facts['gpu']}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
