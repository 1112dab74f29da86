"""`ctdiffusion benchmark`: times projectors and networks on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PARTS = ("projectors", "network", "scaling")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to time (default: all)")
    parser.add_argument("--repeats", type=int, default=5, help="calls whose median is taken (default: 5)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")


def main(arguments: argparse.Namespace) -> int:
    """Run the benchmark, print its tables and write the files that were asked for."""
    from ..core.atomic import write_bytes
    from .report import markdown

    for path in (arguments.json, arguments.markdown):
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"{path}: its folder does not exist")
    result = run_benchmark(arguments.quick, arguments.parts, arguments.repeats, arguments.device, _say)
    text = markdown(result)
    print(text)
    if arguments.json is not None:
        write_bytes(arguments.json, (json.dumps(result, indent=2) + "\n").encode())
    if arguments.markdown is not None:
        write_bytes(arguments.markdown, text.encode())
    return 0


def run_benchmark(
    quick: bool = False,
    parts: Sequence[str] = PARTS,
    repeats: int = 5,
    device: str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Time what `parts` names; all times in seconds, memory in bytes.

    Args:
        quick: tiny sizes.
        parts: any of projectors, network, scaling.
        repeats: calls whose median is taken.
        device: auto, cpu or cuda.
        say: told what is being timed.

    Raises:
        ValueError: an unknown part, fewer than one call, or no such device.
    """
    from ..core.devices import resolve
    from ..scan.beams import Grid
    from .machine import machine_facts
    from .network import networks
    from .projectors import compare_projectors
    from .scaling import Sweep, scaling

    unknown = set(parts) - set(PARTS)
    if unknown:
        raise ValueError(f"parts: {sorted(unknown)} unknown (known: {', '.join(PARTS)})")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    place = resolve(device).device
    grid = Grid((4, 32, 32), (2.0, 8.0, 8.0)) if quick else Grid((64, 256, 256), (1.5, 1.5, 1.5))
    result: dict[str, Any] = {"machine": machine_facts(place), "quick": quick, "repeats": repeats, "notes": []}
    if "projectors" in parts:
        counts = (3, 6) if quick else (30, 180)
        result["projectors"], result["notes"] = compare_projectors(grid, counts, repeats, place, say)
        present = {row["projector"] for row in result["projectors"]}
        absent = [name for name in ("astra-toolbox", "itk-rtk") if name not in present]
        if absent:
            result["notes"].append(f"not installed, or not for this device: {', '.join(absent)}")
    if "network" in parts:
        few = Grid((2, 32, 32), grid.spacing) if quick else Grid((8, 256, 256), grid.spacing)
        result["networks"], notes = networks(few, 2 if quick else 20, repeats, place, say)
        result["notes"] += notes
    if "scaling" in parts:
        sweep = Sweep(grid, 30, (8, 16, 32, 64, 128, 256), (15, 30, 60, 90, 180, 360), (128, 192, 256, 384, 512))
        if quick:
            sweep = Sweep(grid, 4, (2, 4), (3, 6), (16, 32))
        result["scaling"] = scaling(sweep, repeats, place, say, memory=not quick)
    return result


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
