"""`ctdiffusion demo [FOLDER]`: reconstruct the chest CT that ships and compare the methods."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..jobs.spec import DEVICES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo"), help="where results go (default: ./demo)")
    parser.add_argument("--full", action="store_true", help="all 64 slices instead of the central slab")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where to compute (auto)")


def main(args: argparse.Namespace) -> int:
    """Run the demo and say where everything is."""
    from ..studies.demo import run
    from ..studies.report.table import text_table

    started = time.monotonic()
    entries = run(args.folder, args.full, args.device)
    folder = args.folder.resolve()
    print(f"\n{text_table(entries)}\n")
    print(f"Done in {time.monotonic() - started:.0f} s. In {folder}:")
    print("  report.html      the whole report, opens in any browser")
    print("  comparison.png   all methods side by side, with error images")
    print(f"  *.nrrd           {', '.join(sorted(p.stem for p in folder.glob('*.nrrd')))}: in HU, on the input's grid")
    print("3D Slicer: drag the .nrrd files into its window (or File > Add Data); they lie on one another.")
    return 0
