"""`ctdiffusion train`: from a folder of CT volumes (or a ready cache) to a prior pack with its report card."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..training.recipes import recipe_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recipe", help=f"one of: {', '.join(recipe_names())}")
    parser.add_argument("--data", nargs="+", type=Path, help="folders of CT volumes, or caches")
    parser.add_argument("--out", type=Path, help="folder of the prior pack to write")
    parser.add_argument("--val", type=Path, nargs="+", help="volumes or caches for the report card (default: held out)")
    parser.add_argument("--hold-out", nargs="+", metavar="PATIENT", help="patients not to train on")
    parser.add_argument("--work", type=Path, help="folder for cache, checkpoint and log (default: OUT.training)")
    parser.add_argument("--init", metavar="PACK", help="start from the weights of this prior pack")
    parser.add_argument("--minutes", type=float, help="end the schedule after this time (default: the recipe's)")
    parser.add_argument("--steps", type=int, help="optimiser steps at most (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="crops per step and process (default: the recipe's)")
    parser.add_argument("--workers", type=int, help="loader processes (default: the recipe's)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--augment", action="store_true", help="small rotations and shears (needs MONAI)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint, with its options")
    about = parser.add_argument_group("what the pack says of itself (asked for in a terminal)")
    about.add_argument("--name", help="name of the pack (default: OUT's)")
    about.add_argument("--data-name", nargs="+", metavar="TEXT", help="what it is trained on, each with its licence")
    about.add_argument("--licence", metavar="TEXT", help="licence of the weights")
    about.add_argument("--attribution", metavar="TEXT", help="what is to be said when it is passed on")
    about.add_argument("--body-parts", nargs="+", metavar="PART", help="what the volumes show: chest abdomen ...")
    compact = parser.add_argument_group("a compact cache to carry elsewhere, instead of a training")
    compact.add_argument("--prepare", type=Path, metavar="FOLDER", help="write the volumes of --data there, and stop")
    text = "steps of its values (default: 4; 0: 4, 8 or 16 by the noise)"
    compact.add_argument("--hu-step", type=int, default=4, metavar="HU", help=text)


def main(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ValueError: arguments or data that cannot be used; the text names them.
    """
    from ..training.run import main as run

    return run(arguments)
