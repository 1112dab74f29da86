"""`ctdiffusion resume JOB [-o FILE]`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("job", type=Path, metavar="JOB", help="job folder of an interrupted or cancelled run")
    parser.add_argument("-o", "--output", metavar="OUT", help="put the volume into this file when it is done")
    parser.add_argument("--dicom", action="store_true", help="make OUT a folder with a DICOM series")
    parser.add_argument("--json", action="store_true", help="print every event as one JSON line")


def main(args: argparse.Namespace) -> int:
    """Go on with a job; a finished one is reported again."""
    from .delivery import resume_to

    return resume_to(args.job, args.output, args.json, args.dicom)
