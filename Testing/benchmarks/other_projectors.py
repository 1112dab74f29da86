"""Our projectors against those of other libraries, where they are installed. A benchmark, not a test.

    pip install astra-toolbox itk-rtk
    python Testing/benchmarks/other_projectors.py [--shape 64 256 256] [--views 30 180] [--json OUT.json]

Timed as `ctdiffusion benchmark` times: candidates take turns, medians of the whole stack, copies included. The torch
`grid_sample` that the package brings as its yardstick stands in the same tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctdiffusion.benchmark.machine import machine_facts
from ctdiffusion.benchmark.projectors import compare_projectors
from ctdiffusion.benchmark.report import markdown
from ctdiffusion.core.devices import resolve
from ctdiffusion.scan.beams import Grid
from references import LIBRARIES, references


def compare(grid: Grid, views: Sequence[int], repeats: int, device: str = "cpu") -> dict[str, Any]:
    """The figures, as `ctdiffusion.benchmark.run_benchmark` gives them; a note names the libraries that are missing.

    Raises:
        ValueError: no such device.
    """
    place = resolve(device).device
    machine = machine_facts(place)
    rows, notes = compare_projectors(grid, tuple(views), repeats, place, _say, references)
    there = {row["projector"] for row in rows}
    if absent := [name for name in LIBRARIES if name not in there]:
        notes.append(f"not installed, or not for this device: {', '.join(absent)}")
    return {"machine": machine, "repeats": repeats, "projectors": rows, "notes": notes}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=(64, 256, 256), metavar=("SLICES", "ROWS", "COLUMNS"))
    parser.add_argument("--spacing", type=float, default=1.5, metavar="MM", help="of the voxels (default: 1.5)")
    parser.add_argument("--views", nargs="+", type=int, default=(30, 180))
    parser.add_argument("--repeats", type=int, default=3, help="calls whose median is taken (default: 3)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where ours computes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args(arguments)
    grid = Grid(tuple(options.shape), (options.spacing,) * 3)
    result = compare(grid, options.views, options.repeats, options.device)
    print(markdown(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
