"""`ctdiffusion completion SHELL`: a completion script for bash, zsh or tcsh, made by the package shtab."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("shell", choices=SHELLS, help="shell to write it for")


def main(args: argparse.Namespace) -> int:
    """Print the script.

    Raises:
        RuntimeError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise RuntimeError("completion needs the package shtab: pip install shtab") from None
    from .main import every_command

    print(shtab.complete(every_command(), shell=args.shell))
    return 0
