"""`ctdiffusion resume JOB`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .running import run_here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("job", type=Path, metavar="JOB", help="job folder of an interrupted or cancelled run")
    parser.add_argument("--json", action="store_true", help="print every event as one JSON line")


def main(args: argparse.Namespace) -> int:
    """Go on with a job; a finished one is reported again."""
    return run_here(args.job, resume=True, as_json=args.json).exit_code
