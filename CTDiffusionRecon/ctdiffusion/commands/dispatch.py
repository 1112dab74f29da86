"""What commands that run a job have in common: refuse early, say what will be done, do it or only estimate it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ..core.regularfile import check_regular
from ..jobs.reconstruction_spec import JobSpec
from ..jobs.spec import Specification


def run_to(spec: Specification, args: argparse.Namespace) -> int:
    """Run a job to the output that the arguments name, or with `--dry-run` say what it would be.

    Raises:
        ValueError: no output; and what `delivery.deliver` raises.
        FileNotFoundError: no such input.
    """
    _check_input(Path(spec.input), args.input)
    if args.dry_run:
        return _plan(spec, args)
    if args.output is None:
        raise ValueError("-o/--output: needed (a job folder, or a file such as result.nrrd)")
    from .delivery import deliver

    if isinstance(spec, JobSpec) and spec.slices is not None and not args.json:
        print(f"slices: {slices_text(spec.slices)}", file=sys.stderr)
    return deliver(spec, args.output, args.json, args.dicom)


def _check_input(path: Path, name: str) -> None:
    """Refuse an input that is neither a folder nor a regular file, before a job is made for it.

    Raises:
        ValueError: a pipe, socket or device file, or a name that no file can have.
        OSError: it is missing, or cannot be opened.
    """
    try:
        # Not Path.is_dir, which raises for a name that is too long.
        if not os.path.isdir(path):
            check_regular(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: no such file or folder") from None


def slices_text(slices: tuple[int, int]) -> str:
    """Which slices those are, both ends included."""
    first, last = slices[0], slices[1] - 1
    return f"{first} (one)" if first == last else f"{first} to {last} ({last - first + 1})"


def _plan(spec: Specification, args: argparse.Namespace) -> int:
    estimate = None
    if isinstance(spec, JobSpec):
        from .estimate import estimate_of, line

        estimate = estimate_of(spec, Path.cwd())
    if args.json:
        print(json.dumps({"spec": spec.to_dict(), "estimate": None if estimate is None else asdict(estimate)}))
        return 0
    method = spec.chosen_method()
    print(f"would {args.task.command} {spec.input} by {method.title}")
    if isinstance(spec, JobSpec) and spec.slices is not None:
        print(f"slices: {slices_text(spec.slices)}")
    if spec.parameters:
        print("parameters: " + ", ".join(f"{name} {value}" for name, value in spec.parameters.items()))
    if estimate is not None:
        print(line(estimate))
    return 0
