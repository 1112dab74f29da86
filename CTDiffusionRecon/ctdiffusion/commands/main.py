"""The command line: `ctdiffusion COMMAND ...`; also `python -m ctdiffusion`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from .. import __version__
from ..jobs.lock import JobBusy
from ..jobs.stopping import leave

# name: (module, what it does). A module is imported only when its command is chosen: torch takes seconds.
COMMANDS = {
    "reconstruct": ("commands.reconstruct", "reconstruct a volume's simulated, or measured, projections"),
    "superres": ("commands.superres", "make thin slices of thick ones (MR or CT)"),
    "resume": ("commands.resume", "go on with an interrupted or cancelled job"),
    "methods": ("commands.methods", "list the reconstruction methods, or explain one"),
    "priors": ("commands.priors", "list, check, import or remove prior packs"),
    "devices": ("commands.devices", "say which device would compute, and why"),
    "estimate": ("commands.estimate", "say how long a job will take and how much memory it needs"),
    "train": ("commands.train", "train a prior and write its pack"),
    "benchmark": ("benchmark", "time projectors and networks"),
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
    except (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, JobBusy) as error:
        return _say(f"error: {_one_line(error)}", 2)
    except (OSError, RuntimeError, MemoryError) as error:
        return _say(f"error: {_one_line(error)}", 1)


def command() -> NoReturn:
    """The command `ctdiffusion`: run the command line, then end this process."""
    leave(main())


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "ctdiffusion",
        description="Diffusion-based CT reconstruction.",
        epilog="`ctdiffusion COMMAND --help` explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen: ModuleType | None = None
    name = next((a for a in argv if not a.startswith("-")), None)
    for command, (module, text) in COMMANDS.items():
        sub = commands.add_parser(command, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        if command == name:
            chosen = importlib.import_module(f"..{module}", __package__)
            chosen.add_arguments(sub)
            if hasattr(chosen, "add_method_arguments"):
                # Which parameters there are depends on the method.
                chosen.add_method_arguments(sub, argv)
    args = parser.parse_args(argv)
    assert chosen is not None
    return int(chosen.main(args))


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
