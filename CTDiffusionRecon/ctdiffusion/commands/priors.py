"""`ctdiffusion priors [list | show NAME | check PATH]`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ..priors.pack import find_packs, load_pack, locate_pack, read_info


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="the packs that are installed (the default)")
    show = actions.add_parser("show", help="the metadata of a pack as JSON")
    show.add_argument("pack", metavar="NAME", help="name or folder of a pack")
    check = actions.add_parser("check", help="load a pack with every check and say whether it is whole")
    check.add_argument("pack", metavar="PATH", help="name or folder of a pack")


def main(args: argparse.Namespace) -> int:
    """List, show or check packs."""
    if args.action == "show":
        print(json.dumps(asdict(read_info(locate_pack(args.pack))), indent=1, ensure_ascii=False))
    elif args.action == "check":
        prior = load_pack(locate_pack(args.pack))
        print(f"{prior.info.name} {prior.info.version}: whole (SHA-256 {prior.info.weights_sha256})")
    else:
        _list()
    return 0


def _list() -> None:
    packs = find_packs()
    if not packs:
        print("no prior packs are installed (folders named in CTDIFFUSION_PRIORS are searched, too)")
    for name, folder in packs.items():
        try:
            info = read_info(folder)
        except ValueError as error:
            # One damaged pack must not hide the others.
            print(f"{name}  damaged: {error}")
            continue
        low, high = info.spacing_range
        print(f"{name}  {info.version}  {', '.join(info.body_parts)}; {low:g} to {high:g} mm pixels; {folder}")
