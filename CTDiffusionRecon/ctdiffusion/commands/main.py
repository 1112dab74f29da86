"""The command line: `ctdiffusion COMMAND ...`; also `python -m ctdiffusion`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from .. import __version__
from ..core.badinput import blames_input
from ..jobs.lock import JobBusy
from ..jobs.stopping import leave
from ..jobs.tasks import TASKS
from .parser import Parser, did_you_mean

# name: (module, what it does). A module is imported only when its command is chosen, and torch only when it works.
COMMANDS = {
    **{task.command: (f"commands.{task.command}", task.summary) for task in TASKS.values()},
    "resume": ("commands.resume", "go on with an interrupted or cancelled job"),
    "methods": ("commands.methods", "list the reconstruction methods, or explain one"),
    "priors": ("commands.priors", "list, check, import or remove prior packs"),
    "devices": ("commands.devices", "say which device would compute, and why"),
    "estimate": ("commands.estimate", "say how long a reconstruction will take and how much memory it needs"),
    "train": ("commands.train", "train a prior and write its pack"),
    "demo": ("commands.demo", "reconstruct the sample that ships and compare the methods"),
    "benchmark": ("commands.benchmark", "time projectors and networks"),
    "completion": ("commands.completion", "print a script that completes commands and options in a shell"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failure, 2 bad input, 130 cancelled."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    _utf8()
    try:
        return _run(argv)
    except SystemExit as end:
        # argparse has printed its usage or help.
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return _say("cancelled", 130)
    except BrokenPipeError:
        # Whoever read our output has gone (`ctdiffusion methods | head`).
        sys.stdout = None
        return 1
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        return _say(f"error: {_one_line(error)}", 2 if isinstance(error, JobBusy) or blames_input(error) else 1)


def command() -> NoReturn:
    """The command `ctdiffusion`: run the command line, then end this process."""
    leave(main())


def _run(argv: list[str]) -> int:
    parser, commands = _parsers()
    name = next((a for a in argv if not a.startswith("-")), None)
    if name is None:
        parser.parse_strictly(argv)
        parser.print_help()
        return 0
    if name not in COMMANDS:
        raise ValueError(f"{name}: there is no such command{did_you_mean(name, COMMANDS) or ' (see --help)'}")
    # What stands before the command's name belongs to the whole; the rest is the command's.
    place = argv.index(name)
    parser.parse_strictly(argv[:place])
    chosen = declared(name, commands[name], argv)
    return int(chosen.main(commands[name].parse_strictly(argv[place + 1 :])))


def every_command() -> argparse.ArgumentParser:
    """The parser of the whole command line, with the options of every command and of the default methods."""
    parser, commands = _parsers()
    for name, sub in commands.items():
        declared(name, sub, [])
    return parser


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        "ctdiffusion",
        description="Diffusion-based CT reconstruction.",
        epilog="`ctdiffusion COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    found = {}
    for name, (_, text) in COMMANDS.items():
        found[name] = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    return parser, found


def declared(command: str, parser: argparse.ArgumentParser, argv: Sequence[str]) -> ModuleType:
    """The module of a command, after it has declared its arguments, and those of the method that `argv` names."""
    module = importlib.import_module(f"..{COMMANDS[command][0]}", __package__)
    module.add_arguments(parser)
    if hasattr(module, "add_method_arguments"):
        module.add_method_arguments(parser, argv)
    return module


def _one_line(error: Exception) -> str:
    from ..jobs.worker import one_line

    return one_line(error)


def _say(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


def _utf8() -> None:
    # Windows and the C locale cannot print every path.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
