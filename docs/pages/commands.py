"""The help of every command, as the command line prints it."""

from __future__ import annotations

import argparse
import os

from ctdiffusion.commands.main import COMMANDS, every_command

COLUMNS = "100"


def command_pages() -> dict[str, str]:
    """One file: a section for each command."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        chosen = next(a for a in every_command()._actions if isinstance(a, argparse._SubParsersAction)).choices
        texts = {name: chosen[name].format_help() for name in COMMANDS}
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    sections = [f"## ctdiffusion {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in texts.items()]
    return {"commands.md": "\n".join(sections)}
