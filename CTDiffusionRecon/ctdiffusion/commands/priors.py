"""`ctdiffusion priors [list | show NAME | check PATH | import FILE | join NAME FULL SUBSET | remove NAME]`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ..jobs.worker import one_line
from ..priors.packs.importing.convert import ImportOptions, import_prior
from ..priors.packs.importing.converted import NotThisNetwork
from ..priors.packs.importing.layouts import LAYOUTS
from ..priors.packs.importing.presets import PRESETS
from ..priors.packs.joining import join_packs
from ..priors.packs.pack import find_packs, locate_pack, read_info
from ..priors.packs.removal import remove_pack
from ..priors.packs.trial import Trial, try_out
from ..priors.prior import PriorInfo


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
    _add_import(actions.add_parser("import", help="make a pack of a published checkpoint", allow_abbrev=False))


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="checkpoint file, or folder of the package diffusers")
    parser.add_argument("--layout", choices=["auto", *LAYOUTS], default="auto", help="layout of the file")
    parser.add_argument("--preset", choices=list(PRESETS), default="", help="published configuration that it is of")
    parser.add_argument("--name", default="", help="name of the pack (the preset's)")
    parser.add_argument("--modality", choices=["CT", "MR"], default="", help="what the training images were")
    parser.add_argument("--domain", choices=["image", "sinogram"], default="", help="what the network sees")
    pair = {"nargs": 2, "type": float, "metavar": ("LOW", "HIGH")}
    parser.add_argument("--window", help="HU interval that the network sees as 0 to 1", **pair)  # type: ignore[arg-type]
    parser.add_argument("--spacing", help="pixel sizes in mm it was trained on", **pair)  # type: ignore[arg-type]
    parser.add_argument("--image-size", type=int, default=0, metavar="N", help="side of the training images in pixels")
    parser.add_argument("--head-channels", type=int, default=0, metavar="N", help="feature channels per attention head")
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the weights")


def main(args: argparse.Namespace) -> int:
    """List, show, check, import, join or remove packs."""
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
    options = ImportOptions(
        layout="" if args.layout == "auto" else args.layout,
        preset=args.preset,
        name=args.name,
        modality=args.modality,
        domain=args.domain,
        window=tuple(args.window) if args.window else None,
        spacing=tuple(args.spacing) if args.spacing else None,
        image_size=args.image_size,
        head_channels=args.head_channels,
        licence=args.licence,
    )
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
    for level, share in trial.remaining.items():
        print(f"  noise {level:g} of a test image: {100.0 * share:.1f} % remain")
    if not trial.denoises:
        print("  warning: it does not remove noise; untrained weights, or a wrong preset, --head-channels or --window?")


def _list() -> None:
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
    return f"{info.version}  {info.modality} {', '.join(info.body_parts)}; {pixels}{imported}"
