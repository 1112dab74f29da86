"""`ctdiffusion benchmark`: times projectors and networks on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..benchmark import PARTS, run_benchmark
from ..core.atomic import write_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to time (default: all)")
    parser.add_argument("--repeats", type=int, default=5, help="calls whose median is taken (default: 5)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")


def main(arguments: argparse.Namespace) -> int:
    """Run the benchmark, print its tables and write the files that were asked for.

    Raises:
        ValueError: no such device, fewer than one call, or a file whose folder does not exist.
    """
    from ..benchmark.report import markdown

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


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
