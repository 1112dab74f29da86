"""`ctdiffusion priors [list | show NAME | check PATH | import FILE | join NAME FULL SUBSET | remove NAME]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..jobs.worker import one_line

if TYPE_CHECKING:
    from ..priors.packs.trial import Trial
    from ..priors.prior import PriorInfo

# What the warnings of a trial say.
_MISREAD = "untrained weights, or something that was assumed is wrong (`priors show`, origin.assumed)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="the packs that are installed (the default)")
    show = actions.add_parser("show", help="the metadata of a pack as JSON")
    show.add_argument("pack", metavar="NAME", help="name or folder of a pack")
    check = actions.add_parser("check", help="load a pack with every check and try it on a test image")
    check.add_argument("pack", metavar="PATH", help="name or folder of a pack")
    remove = actions.add_parser("remove", help="delete a pack that was imported")
    remove.add_argument("pack", metavar="NAME", help="name of the pack")
    join = actions.add_parser("join", help="make one sinogram prior of a full-view and a sparse-view model")
    join.add_argument("name", metavar="NAME", help="name of the new pack")
    join.add_argument("full", metavar="FULL", help="pack of the full-view model")
    join.add_argument("subset", metavar="SUBSET", help="pack of the sparse-view model")
    actions.add_parser("import", help="make a pack of a published checkpoint", allow_abbrev=False)


def add_method_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """The options of `import`, where `argv` asks for it: what can be imported is known by the networks' own files."""
    if "import" in argv:
        from .importoptions import add_import

        actions = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        add_import(actions.choices["import"])


def main(args: argparse.Namespace) -> int:
    """List, show, check, import, join or remove packs."""
    from ..priors.packs.joining import join_packs
    from ..priors.packs.pack import locate_pack, read_info
    from ..priors.packs.removal import remove_pack
    from ..priors.packs.trial import try_out

    if args.action == "show":
        print(json.dumps(asdict(read_info(locate_pack(args.pack))), indent=1, ensure_ascii=False))
    elif args.action == "check":
        trial = try_out(locate_pack(args.pack))
        print(f"{trial.info.name} {trial.info.version}: whole (SHA-256 {trial.info.weights_sha256})")
        _tell(trial)
    elif args.action == "import":
        _import(args)
    elif args.action == "join":
        print(f"joined in {join_packs(args.name, args.full, args.subset)}")
    elif args.action == "remove":
        print(f"removed {remove_pack(args.pack)}")
    else:
        _list()
    return 0


def _import(args: argparse.Namespace) -> None:
    from ..priors.packs.importing.convert import import_prior
    from ..priors.packs.importing.converted import NotThisNetwork
    from .importoptions import read_import

    options = read_import(args)
    try:
        done = import_prior(args.file, options)
    except NotThisNetwork as error:
        # The error itself is one line with the first of them.
        for difference in error.differences:
            print(f"  {difference}", file=sys.stderr)
        raise ValueError(f"{args.file}: {error}") from None
    origin = done.info.origin
    print(f"{done.info.name}: layout {origin['layout']}, preset {origin['preset']}, weights: {origin['weights']}")
    for text in done.assumed:
        print(f"  assumed: {text}")
    print(f"  licence of the weights: {done.info.licence}")
    _tell(done.trial)
    print(f"  in {done.folder}")


def _tell(trial: Trial) -> None:
    shown = "sinogram" if trial.info.domain == "sinogram" else "image"
    for level, share in trial.remaining.items():
        disturbed = f"noise {level:g}" if trial.what == "noise" else f"{trial.what} of {level:g} views"
        print(f"  {disturbed} of a test {shown}: {100.0 * share:.1f} % remain")
    if not trial.improves:
        print(f"  warning: {trial.verdict}: {_MISREAD}")
    elif not trial.denoises:
        print(f"  warning: it removes little of the {trial.what}: {_MISREAD}")


def _list() -> None:
    from ..priors.packs.pack import find_packs, read_info

    packs = find_packs()
    if not packs:
        print("no prior packs are installed (folders named in CTDIFFUSION_PRIORS are searched, too)")
    for name, folder in packs.items():
        name = name if name.isprintable() else ascii(name)
        try:
            line = _line(read_info(folder))
        except Exception as error:
            # One damaged pack must not hide the others, whatever is wrong with it.
            print(f"{name}  damaged: {one_line(error)}")
            continue
        print(f"{name}  {line}; {folder}")


def _line(info: PriorInfo) -> str:
    low, high = info.spacing_range
    pixels = f"{low:g} to {high:g} mm pixels" if info.domain == "image" else "sinograms"
    imported = "; imported" if info.origin else ""
    shows = ", ".join(info.body_parts) or "body parts not stated"
    return f"{info.version}  {info.modality} {shows}; {pixels}{imported}"
